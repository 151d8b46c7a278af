"""One optimization: GEPA's loop (gepa 0.1.4) over our adapter. Its course depends on the answers alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.calls.answer import Role
from harness.calls.model import Model
from harness.errors import HarnessError
from harness.prompts.examples import ExampleSet
from harness.prompts.optimize.adapter import (
    COMPONENT,
    Adapter,
    Minibatches,
    Reflector,
    SideBySide,
    WorthValidating,
)
from harness.prompts.optimize.budget import Batch
from harness.prompts.optimize.ledger import Ledger, Rejected
from harness.prompts.optimize.reflection import plain
from harness.prompts.optimize.settings import Settings, settled
from harness.prompts.optimize.stopping import SAME_SCORE, Standing, StopReason, reason_to_stop
from harness.prompts.optimize.through import carried, unpacked
from harness.prompts.packages import package
from harness.prompts.program import Program

Tell = Callable[[Standing], None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An instruction that was tried on the validation examples: `scores` are its F1 on each, in their order.

    `parents` are numbers of earlier candidates, none for the seed. It was found after `metric_calls`.
    """

    instruction: str
    parents: tuple[int, ...]
    scores: tuple[float, ...]
    metric_calls: int

    @property
    def score(self) -> float:
        """Mean validation F1."""
        return math.fsum(self.scores) / len(self.scores)


@dataclass(frozen=True, slots=True)
class Optimized:
    """What an optimization found, and what it took.

    The seed is candidate 0. `best` is the number of the best one by validation score (`best_of`). `unusable`
    counts the reflection model's replies that were no instruction, by reason; `unreadable` the task model's
    answers. `calls` are answers asked of each role, wherever they came from, sent in these `batches`.
    `settings` are those the run was made with.
    """

    candidates: tuple[Candidate, ...]
    best: int
    rejected: tuple[Rejected, ...]
    unusable: Mapping[str, int]
    unreadable: int
    metric_calls: int
    iterations: int
    stopped: StopReason
    batches: tuple[Batch, ...]
    settings: Settings
    calls: Mapping[Role, int] = field(default_factory=dict)

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
        """Mean validation F1 of the best one: too good by the winner's bias."""
        return self.candidates[self.best].score

    @property
    def accepted(self) -> int:
        """Proposals that became candidates."""
        return len(self.candidates) - 1


def optimize(
    program: Program,
    train: ExampleSet,
    validation: ExampleSet,
    task: Model,
    reflection: Model,
    settings: Settings,
    *,
    tell: Tell | None = None,
    fits: Callable[[str], bool] = lambda _: True,
    clock: Callable[[], float] = time.monotonic,
) -> Optimized:
    """Better `program`'s instruction by what `task` answers and `reflection` proposes.

    Deterministic for the settings and the answers, whatever the threads: a run that was cut off is begun
    anew with its journal, and comes to the same end. `tell` hears where the run stands before each iteration.
    `fits` says whether the task model's context has room for an instruction (`room_for`).

    Raises EngineFailure when a model cannot answer, HarnessError for examples that are missing, of other
    types or in both sets. Nothing is ever scored that was not answered.
    """
    check_examples(train, validation)
    settings = settled(settings, len(train.examples), task.threads)
    ledger = Ledger(known={plain(program.instruction)})
    stopper = _Stopper(settings, ledger, _cost(task, reflection), clock, tell)
    with unpacked():
        result = package("gepa").optimize(
            seed_candidate={COMPONENT: program.instruction},
            trainset=list(train.examples),
            valset=list(validation.examples),
            adapter=Adapter(program.format, train, task, settings, ledger),
            reflection_strategy=Reflector(reflection, settings, ledger, fits),
            batch_sampler=Minibatches(settings.minibatch, settings.seed),
            sampling_strategy=SideBySide(settings, ledger),
            selection_strategy=WorthValidating(settings, ledger, len(validation.examples)),
            stop_callbacks=stopper,
            logger=_Silent(),
            track_best_outputs=False,
            seed=settings.seed,
            raise_on_exception=True,
        )
    return _optimized(result, stopper, ledger, settings)


@dataclass(slots=True)
class _Stopper:
    """gepa's `StopperProtocol`, asked before each iteration."""

    settings: Settings
    ledger: Ledger
    cost: Callable[[], float]
    clock: Callable[[], float]
    tell: Tell | None
    reason: StopReason | None = None
    iterations: int = 0
    started: float = 0.0
    best: float = -math.inf
    sampled_at_best: int = 0

    def __post_init__(self) -> None:
        self.started = self.clock()

    def __call__(self, state: Any) -> bool:
        with carried():
            self.iterations = state.i + 1
            best = max(state.program_full_scores_val_set)
            if best > self.best + SAME_SCORE:
                self.best, self.sampled_at_best = best, self.ledger.sampled
            standing = Standing(
                metric_calls=state.total_num_evals,
                best=self.best,
                proposals_since_best=self.ledger.sampled - self.sampled_at_best,
                unusable_in_a_row=self.ledger.unusable_in_a_row,
                calls=self.ledger.calls("task") + self.ledger.calls("reflection"),
                usd=self.cost(),
                seconds=self.clock() - self.started,
            )
            if self.tell is not None:
                self.tell(standing)
            self.reason = reason_to_stop(standing, self.settings.stopping, self.settings.metric_calls)
            return self.reason is not None


class _Silent:
    """gepa's logger."""

    def log(self, message: str) -> None:
        """Nothing: what is worth knowing is in the result."""


def _cost(task: Model, reflection: Model) -> Callable[[], float]:
    """US dollars of both models so far, those of earlier processes of the run included."""
    tallies = list({id(each): each for each in (task.tally, reflection.tally)}.values())

    def usd() -> float:
        sums = [each.total() for each in tallies]
        return sum(each.usd + each.earlier_usd for each in sums)

    return usd


def _optimized(result: Any, stopper: _Stopper, ledger: Ledger, settings: Settings) -> Optimized:
    candidates = tuple(
        Candidate(
            instruction=texts[COMPONENT],
            parents=tuple(each for each in parents if each is not None),
            scores=tuple(scores[number] for number in sorted(scores)),
            metric_calls=calls,
        )
        for texts, parents, scores, calls in zip(
            result.candidates,
            result.parents,
            result.val_subscores,
            result.discovery_eval_counts,
            strict=True,
        )
    )
    assert stopper.reason is not None
    return Optimized(
        candidates=candidates,
        best=best_of(candidates),
        rejected=tuple(ledger.rejected),
        unusable=dict(sorted(ledger.unusable.items())),
        unreadable=ledger.unreadable,
        metric_calls=result.total_metric_calls,
        iterations=stopper.iterations,
        stopped=stopper.reason,
        batches=tuple(ledger.batches),
        settings=settings,
        calls={"task": ledger.calls("task"), "reflection": ledger.calls("reflection")},
    )


def best_of(candidates: Sequence[Candidate]) -> int:
    """The number of the earliest best by validation score, or of its latest descendant that scores the same.

    Such a descendant did better than its parent on training examples: with few validation examples several
    candidates reach the highest score, and the first of them only what these examples ask for.
    """
    top = max(each.score for each in candidates) - SAME_SCORE
    line = {first_best(candidates)}
    for number, each in enumerate(candidates):
        if each.score >= top and line.intersection(each.parents):
            line.add(number)
    return max(line)


def first_best(candidates: Sequence[Candidate]) -> int:
    """The number of the best validation score, the earliest of equals, as GEPA picks it."""
    top = max(each.score for each in candidates)
    return next(number for number, each in enumerate(candidates) if each.score >= top - SAME_SCORE)


def check_examples(train: ExampleSet, validation: ExampleSet) -> None:
    """Raises HarnessError for sets that are empty, of other types, or share a text."""
    for name, examples in (("training", train), ("validation", validation)):
        if not examples.examples:
            raise HarnessError(f"no {name} examples", allowed="at least one")
    if train.types != validation.types:
        raise HarnessError(
            "training and validation examples have other entity types", next_step="use files of one kind"
        )
    both = {each.text for each in train.examples} & {each.text for each in validation.examples}
    if both:
        twin = next(each.id for each in validation.examples if each.text in both)
        raise HarnessError(
            f"{len(both)} validation examples are training examples too, the first {twin}",
            next_step="split them: a prompt is not judged on what it was made from",
        )
