"""One optimized prompt on two precisions of a model, judged by the rule of `harness.measure.divergence`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from harness.calls.opening import EngineKind, Local, opened
from harness.measure.arms import Arm
from harness.measure.divergence import LIMIT, drop_per_example, judge_divergence
from harness.measure.spec import Metric
from harness.prompts.evaluate import Evaluation, evaluate
from harness.prompts.examples import read_examples
from harness.prompts.program import NAMES_BY_TYPE, Program
from harness.prompts.transfer.divergence import f1_scores

OPTIMIZED = Program("Extract entities. Also extract organizations. Also extract activities.", NAMES_BY_TYPE)
"""What `harness optimize-prompt` ends with on the shipped model, on Q8_0."""
_THREADS = 8


def drops(higher: Evaluation, lower: Evaluation) -> list[float]:
    """Each example's part of the relative drop of F1."""
    found: list[float] = drop_per_example(f1_scores(higher), f1_scores(lower)).tolist()
    return found


def failed(higher: Evaluation, lower: Evaluation) -> float:
    """1 where the rule fails the lower precision: then the prompt is to be optimized locally, else 0."""
    return float(judge_divergence(f1_scores(higher), f1_scores(lower)).decision == "fail")


METRICS = (
    Metric("f1_drop", "ratio", gate="bounded", limit=LIMIT, compare=drops),
    Metric("optimize_locally", "verdicts", gate="bounded", limit=0, compare=failed),
    Metric("f1", "ratio", "higher", value=lambda evaluation: evaluation.f1),
    Metric("unreadable", "answers", value=lambda evaluation: evaluation.unreadable),
)


def precision_arm(model: Path, examples: Path, precision: str, engine: EngineKind = "llama.cpp") -> Arm:
    """The prompt's `Evaluation` on a precision, answered greedily and once, in the set-up."""
    return Arm(_itself, prepare=partial(_evaluation, model, examples, precision, engine))


def _evaluation(model: Path, examples: Path, precision: str, engine: EngineKind) -> Evaluation:
    with opened(Local(str(model), precision, engine), _THREADS) as opening:
        return evaluate(OPTIMIZED, read_examples(examples), opening.model("task"))


def _itself(evaluation: Evaluation) -> Evaluation:
    return evaluation
