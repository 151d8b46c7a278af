"""One company's extraction calls before and after the caps, one call after the other.

The call counts are the guide's own example; it rounds them to 550 and 115. A call reads 3,000 tokens and
writes 300, which by the guide's time model are its 30 s. Skipped verification is part of "after".
"""

import functools

import pytest

from harness import Arm, Claim, Metric, Optimization, Requires
from harness.costmodel import trials
from harness.costmodel.known_models import find_model
from harness.costmodel.serving import documented
from harness.engines.opening import checkpoint_path, opened, transformers
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_padded import Sequential
from harness.engines.workloads import answered_in_turn, new_requests

GUIDE, QUOTE = "extraction-speed-guide.md, section 5", "one company should drop from ~5 h to roughly 1-1.5 h"
BEFORE = trials.CompanyCalls()
AFTER = trials.CompanyCalls(section_passes=2, deep_fields=25, verification=False)
CALL, A100 = trials.COMPANY_CALL, ("a100_20gb",)

OPTIMIZATION = Optimization(
    name="company_time",
    title="Capped calls per company",
    metrics=(
        Metric("company_time", "s", gate="paired", clock="wall", floor=0.2),
        Metric("calls", "calls", gate="exact", value=len),
    ),
    claims=(
        Claim("company_time", GUIDE, QUOTE, ratio=(0.2, 0.3), rows=A100),
        Claim("company_time", GUIDE, QUOTE, value=(3600, 5400), rows=A100),
        Claim("calls", "extraction-speed-guide.md, section 1", "550+ ... 115", ratio=(0, 115 / 550)),
    ),
    requires=Requires(kind="cuda", extras=("gpu",), model="extraction"),
)


@pytest.mark.slow
def test_company_time(ab):
    @functools.cache
    def engine():
        settings = TransformersSettings(checkpoint_path(ab.model), Sequential())
        return opened(lambda: transformers(settings, on_cpu=False), kept=1)

    def arm(company):
        return Arm(lambda it, asked: answered_in_turn(it, asked[: company.calls]), prepare=engine)

    asked = new_requests([CALL.prompt_tokens] * BEFORE.calls, [CALL.output_tokens])

    def modelled(company):
        return lambda row: trials.company(documented(find_model("qwen2.5-14b"), "nf4", row), company)

    ab.arms(baseline=arm(BEFORE), optimized=arm(AFTER), each_round=asked)
    ab.modelled(modelled(BEFORE), modelled(AFTER), trials.version())
    ab.run()
