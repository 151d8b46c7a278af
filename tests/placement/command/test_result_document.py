"""Documents that say more, less or something else than `--json` wrote are refused, whatever they hold."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.placement.answers.answer import answer
from harness.placement.answers.question import Question
from harness.placement.command.recheck import check_document
from harness.placement.command.result_document import read_document
from harness.placement.output.report import document
from harness.placement.problem import Problem
from harness.placement.rates import DOCUMENTED_RATES
from harness.placement.segments import CORRECTED, all_sizes


def asked(problem: Problem, **more: Any) -> Question:
    return Question(CORRECTED, DOCUMENTED_RATES, all_sizes(problem.layers), **more)


def changed(told: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(told))
    at: Any = found
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in way:
        at = at[step]
    at[last] = value
    return found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("plan.0.tp", 7),
        ("plan.0.layers", 3),
        ("plan.0.last_layer", 10**12),
        ("plan.0.first_layer", -3),
        ("plan.0.gpus", []),
        ("plan.0.gpus.0", True),
        ("tokens_per_s", 0),
        ("tokens_per_s", math.inf),
        ("usd_per_hour", math.nan),
        ("proven_optimal", False),
        ("gap", 0.1),
        ("provenance", "measured"),
        ("front.0.plan.0.gpu_type", "H100"),
        ("certificate.choice.0.1", 99),
        ("certificate.spans.0.usd_per_hour", math.nan),
        ("certificate.spans.0.to_tokens_per_s", 0),
        ("certificate.no_plan_from", "never"),
    ],
)
def test_a_changed_figure_is_found(tiny: Problem, path: str, value: object) -> None:
    question = asked(tiny)
    told = document(answer(question, tiny))
    assert check_document(told, question, tiny).bounds
    with pytest.raises(HarnessError) as caught:
        check_document(changed(told, path, value), question, tiny)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("path", "value"), [("proven_optimal", False), ("gap", 0.1), ("front", []), ("front", None)]
)
def test_where_no_second_proof_exists_the_search_is_done_again(
    tiny: Problem, path: str, value: object
) -> None:
    question = asked(tiny, contiguous=True)
    told = document(answer(question, tiny))
    assert not check_document(told, question, tiny).front
    with pytest.raises(HarnessError, match="the search"):
        check_document(changed(told, path, value), question, tiny)


def test_what_no_check_looks_at_is_named(tiny: Problem) -> None:
    question = asked(tiny)
    told = document(answer(question, tiny)) | {"vllm": {"launch": "\x1b[31mrm"}}
    checked = check_document(told, question, tiny)
    assert checked.left_out == ("candidates", "searched", "vllm")
    assert checked.line.endswith("not looked at: candidates, searched, vllm")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"plan": {}}', "\ufeff{}", '"\ud800"'])
def test_other_files_are_refused_in_a_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(HarnessError):
        read_document(path)
