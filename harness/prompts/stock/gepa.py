"""Stock `dspy.GEPA` (dspy 3.4.1) on the same task and models: the arm that ours is compared with."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.calls.answer import Role
from harness.calls.model import Model
from harness.engines.protocol import Sampling
from harness.prompts.evaluate import SAMPLING
from harness.prompts.examples import ExampleSet
from harness.prompts.optimize.budget import Auto
from harness.prompts.optimize.run import Candidate, check_examples, first_best
from harness.prompts.optimize.settings import REFLECTION_SAMPLING
from harness.prompts.packages import package
from harness.prompts.program import Program
from harness.prompts.stock.language_model import ModelBehindDspy, language_model
from harness.prompts.stock.program import form_adapter, task_examples, task_metric, task_program


@dataclass(frozen=True, slots=True)
class StockSettings:
    """Arguments of `dspy.GEPA`; everything else is left as dspy has it. `metric_calls` replaces `auto`.

    `chat_adapter` asks in dspy's own form instead of the program's.
    """

    auto: Auto | None = "light"
    metric_calls: int | None = None
    threads: int = 1
    minibatch: int = 3
    seed: int = 0
    reveal: bool = False
    chat_adapter: bool = False
    sampling: Sampling = SAMPLING
    reflection_sampling: Sampling = REFLECTION_SAMPLING


@dataclass(frozen=True, slots=True)
class StockOptimized:
    """What stock GEPA found and took. `best` is a candidate's number, the seed's where it ties.

    `metric_calls` as GEPA counts them. `calls` and `peak_open` are LM calls by role, and the most that were
    open at once.
    """

    candidates: tuple[Candidate, ...]
    best: int
    metric_calls: int
    seconds: float
    calls: Mapping[Role, int]
    peak_open: Mapping[Role, int]

    @property
    def instruction(self) -> str:
        """The best one."""
        return self.candidates[self.best].instruction

    @property
    def seed_score(self) -> float:
        """Mean validation F1 of the instruction it began with."""
        return self.candidates[0].score

    @property
    def best_score(self) -> float:
        """Mean validation F1 of the best one."""
        return self.candidates[self.best].score


def stock_gepa(
    program: Program,
    train: ExampleSet,
    validation: ExampleSet,
    task: Model,
    reflection: Model,
    settings: StockSettings,
) -> StockOptimized:
    """Optimize with `dspy.GEPA`.

    Raises EngineFailure or HarnessError when a call failed, though only after GEPA has gone through the rest
    of its budget: it takes a failure for a score of 0, so what it returns then is worth nothing. A stock run
    is not stopped early either. Raises HarnessError for examples that `optimize` refuses.
    """
    check_examples(train, validation)
    dspy = package("dspy")
    served = ModelBehindDspy(task, settings.sampling)
    reflecting = ModelBehindDspy(reflection, settings.reflection_sampling)
    adapter = dspy.ChatAdapter() if settings.chat_adapter else form_adapter(program.format, train.types)
    started = time.monotonic()
    with _silenced(), dspy.context(lm=language_model(served, "task"), adapter=adapter):
        optimizer = dspy.GEPA(
            metric=task_metric(train.types, reveal=settings.reveal),
            auto=None if settings.metric_calls else settings.auto,
            max_metric_calls=settings.metric_calls,
            reflection_minibatch_size=settings.minibatch,
            reflection_lm=language_model(reflecting, "reflection"),
            num_threads=settings.threads,
            track_stats=True,
            seed=settings.seed,
        )
        found = optimizer.compile(
            task_program(program.instruction),
            trainset=task_examples(train),
            valset=task_examples(validation),
        ).detailed_results
    seconds = time.monotonic() - started
    failure = served.failure or reflecting.failure
    if failure is not None:
        raise failure
    candidates = _candidates(found)
    return StockOptimized(
        candidates=candidates,
        best=first_best(candidates),
        metric_calls=found.total_metric_calls,
        seconds=seconds,
        calls={"task": served.calls, "reflection": reflecting.calls},
        peak_open={"task": served.peak_open, "reflection": reflecting.peak_open},
    )


def _candidates(found: Any) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(
            instruction=program.signature.instructions,
            parents=tuple(each for each in parents if each is not None),
            scores=tuple(float(scores[number]) for number in sorted(scores)),
            metric_calls=calls,
        )
        for program, parents, scores, calls in zip(
            found.candidates,
            found.parents,
            found.val_subscores,
            found.discovery_eval_counts,
            strict=True,
        )
    )


@contextmanager
def _silenced() -> Iterator[None]:
    """No progress bars and no log lines, which `dspy.GEPA` has no setting for."""
    bars, log = package("tqdm").tqdm, logging.getLogger("dspy")
    shown, level = bars.__init__, log.level

    def hidden(self: Any, *args: Any, **options: Any) -> None:
        shown(self, *args, **{**options, "disable": True})

    bars.__init__ = hidden
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        bars.__init__ = shown
        log.setLevel(level)
