"""One evaluation by `dspy.Evaluate` (dspy 3.4.1), and what its threads do meanwhile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.calls.model import Model
from harness.engines.protocol import Sampling
from harness.prompts.evaluate import SAMPLING
from harness.prompts.packages import package
from harness.prompts.program import TYPED_LIST
from harness.prompts.stock.language_model import ModelBehindDspy, language_model
from harness.prompts.stock.program import form_adapter, task_examples, task_metric, task_program
from harness.prompts.trials.scripted import COMPLETE, Scene, documented_split, scripted_models

_POOL = "ThreadPoolExecutor"  # how Python names the threads of a pool that has no name, as dspy's has none


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One evaluation: its score of 100, the LM calls and the most that were open at once.

    `pool_threads` were started, of which `idle_threads` never made a call.
    """

    score: float
    calls: int
    peak_open: int
    pool_threads: int
    idle_threads: int


def stock_evaluation(scene: Scene, threads: int, *, examples: int) -> Evaluated:
    """The complete instruction on so many examples with `num_threads=threads`; the scene's limit no calls.

    Raises EngineFailure or HarnessError when a call failed.
    """
    dspy = package("dspy")
    learn, choose = documented_split(examples)
    with scripted_models(scene, (learn, choose)) as models, _quiet():
        served = _Watched(models.task, SAMPLING)
        evaluate = dspy.Evaluate(
            devset=[*task_examples(learn), *task_examples(choose)],
            metric=task_metric(learn.types),
            num_threads=threads,
            display_progress=False,
        )
        with dspy.context(lm=language_model(served, "task"), adapter=form_adapter(TYPED_LIST, learn.types)):
            score = float(evaluate(task_program(COMPLETE.instruction)).score)
    if served.failure is not None:
        raise served.failure
    idle = served.pool - served.at_work
    return Evaluated(score, served.calls, served.peak_open, len(served.pool), len(idle))


class _Watched(ModelBehindDspy):
    """It also notes the threads of dspy's pool, and those that call."""

    def __init__(self, model: Model, sampling: Sampling) -> None:
        super().__init__(model, sampling)
        self._others = _pool_threads()
        self.pool: set[str] = set()
        self.at_work: set[str] = set()

    def complete(self, request: Any) -> Any:
        self.at_work.add(threading.current_thread().name)
        answer = super().complete(request)
        # by the end of the first call all that evaluation wants to start have been started
        self.pool |= _pool_threads() - self._others
        return answer


def _pool_threads() -> set[str]:
    return {each.name for each in threading.enumerate() if each.name.startswith(_POOL)}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the log line that every evaluation writes."""
    log = logging.getLogger("dspy")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)
