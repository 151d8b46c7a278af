"""Two or four extraction calls in one padded batch instead of one after the other, weights in NF4.

The time of a batch is that of its longest call. bitsandbytes multiplies packed weights by a single row only;
a batch has them written out in 16 bits first, at every step.
"""

import functools

import pytest

from harness import Arm, Claim, Optimization, Requires
from harness.costmodel import trials
from harness.costmodel.known_models import find_model
from harness.costmodel.serving import documented
from harness.engines.opening import checkpoint_path, opened, transformers
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_padded import Padded
from harness.engines.workloads import THROUGHPUT, answered, answered_in_turn, new_requests

GUIDE = "extraction-speed-guide.md, section 4.1"
QUOTE = "Batch 2-4 independent prompts ... can give ~1.5-2x GPU throughput if memory allows"
LOAD = trials.COMPANY_CALL

OPTIMIZATION = Optimization(
    name="extraction_batches",
    title="Batches of extraction calls",
    metrics=(THROUGHPUT,),
    claims=(Claim("throughput", GUIDE, QUOTE, (1.5, 2), rows=("a100_20gb",)),),
    requires=Requires(kind="cuda", extras=("gpu",), model="extraction"),
)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [2, 4])
def test_extraction_batches(ab, batch):
    @functools.cache
    def engine():
        settings = TransformersSettings(checkpoint_path(ab.model), Padded(batch))
        return opened(lambda: transformers(settings, on_cpu=False), kept=1)

    def modelled(size):
        model = find_model("qwen2.5-14b")
        return lambda row: trials.in_batches(documented(model, "nf4", row), LOAD, size)

    ab.arms(
        baseline=Arm(answered_in_turn, prepare=engine),
        optimized=Arm(answered, prepare=engine),
        each_round=new_requests(*LOAD.lengths()),
    )
    ab.modelled(modelled(1), modelled(batch), trials.version())
    ab.run()
