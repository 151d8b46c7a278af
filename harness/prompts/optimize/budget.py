"""How many calls an optimization makes, known before it starts: DSPy's budgets, and a plan for ours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Auto = Literal["light", "medium", "heavy"]

CANDIDATES: Mapping[Auto, int] = {"light": 6, "medium": 12, "heavy": 18}
"""`AUTO_RUN_SETTINGS` of dspy.teleprompt.gepa (3.4.1)."""

CLAIMED_FULL_EVALUATIONS = 128
"""prompt-optimizers.md, GEPA Scaling: light mode runs "~128 full evals", each "through all examples"."""

LEAST_ITERATIONS = 10
"""Trying proposals, 2 minibatches each, is to leave a run so many steps that build on each other."""

_FULL_EVALUATION_STEPS, _FORMULA_MINIBATCH, _BOOTSTRAP_TRIALS = 5, 35, 5


def auto_metric_calls(auto: Auto, validation: int, predictors: int = 1) -> int:
    """Metric calls of a mode for so many validation examples: `dspy.GEPA.auto_budget` (3.4.1), exactly.

    N = max(4 predictors log2(candidates), 1.5 candidates) trials, rounded down; then validation
    + 5 candidates + 35 N + validation ((N + 1) // 5 + 1, and 1 more where N < 5). Training examples play no
    part. Raises ValueError for sizes that no run has.
    """
    if validation < 0 or predictors < 1:
        raise ValueError(f"0 or more validation examples and 1 predictor, got {validation} and {predictors}")
    n = CANDIDATES[auto]
    trials = int(max(4 * predictors * math.log2(n), 1.5 * n))
    full = (trials + 1) // _FULL_EVALUATION_STEPS + 1 + (trials < _FULL_EVALUATION_STEPS)
    return validation + _BOOTSTRAP_TRIALS * n + _FORMULA_MINIBATCH * trials + full * validation


def claimed_metric_calls(examples: int) -> int:
    """What prompt-optimizers.md says of light mode: 384 for 3 examples, 3,840 for 30."""
    return CLAIMED_FULL_EVALUATIONS * examples


def proposals_per_iteration(threads: int, minibatch: int, train: int, metric_calls: int) -> int:
    """Proposals made side by side, so that `threads` calls are open: threads // minibatch, at least 1.

    At most the minibatches of one pass over the training examples: more would propose from the same examples
    again. So few that the budget is enough for LEAST_ITERATIONS: proposals of one iteration cannot build on
    each other. Rounded down, as a batch of calls just over `threads` takes twice the time of one just below.
    """
    side_by_side = threads // minibatch, math.ceil(train / minibatch)
    return max(1, min(*side_by_side, metric_calls // (2 * minibatch * LEAST_ITERATIONS)))


def children_validated(proposals: int, minibatch: int, validation: int) -> int:
    """The most children of one iteration that are validated: their validation is to cost no more calls than
    trying all proposals did, 2 minibatches each; at least 1.

    Where validation is dear, an iteration's proposals compete, and more iterations build on each other.
    """
    return max(1, 2 * minibatch * proposals // validation)


def proposals_left(remaining: int, per_proposal: int, proposals: int) -> int:
    """Proposals that so many metric calls are left for, of `per_proposal` calls each, rounded up; at least 1.

    So the last iteration goes over the budget by less than one proposal (2 minibatches), and by the accepted
    children's validation.
    """
    return min(proposals, max(1, math.ceil(remaining / per_proposal)))


@dataclass(frozen=True, slots=True)
class Batch:
    """Calls sent together; the next batch waits for all of them."""

    role: Literal["task", "reflection"]
    calls: int


def ideal_makespan_s(batches: Iterable[Batch], threads: int, task_s: float, reflection_s: float) -> float:
    """Seconds of these batches when every call takes its role's time and nothing else takes any.

    Each batch needs ceil(calls / threads) rounds. What one idle thread could do of the next batch is left
    out: it depends on this batch's answers.
    """
    seconds = {"task": task_s, "reflection": reflection_s}
    return sum(math.ceil(each.calls / threads) * seconds[each.role] for each in batches)


def busy_makespan_s(batches: Iterable[Batch], threads: int, task_s: float, reflection_s: float) -> float:
    """Seconds of the same calls if no thread were ever idle: the bound that no order of them can beat."""
    seconds = {"task": task_s, "reflection": reflection_s}
    return sum(each.calls * seconds[each.role] for each in batches) / threads


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides how many calls a run makes: budget, sizes and proposals in each iteration."""

    metric_calls: int
    train: int
    validation: int
    minibatch: int
    proposals: int


@dataclass(frozen=True, slots=True)
class CallSize:
    """Tokens of a mean call of one role, and what it costs and takes."""

    prompt_tokens: float
    completion_tokens: float
    seconds: float = 0.0
    usd: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A run before it starts, without early stop and cache: every child is rejected, every reply is usable.

    `metric_calls` are task calls. `most_metric_calls` is reached when the last iteration accepts every child.
    `iterations` is the range from every child accepted to every minibatch perfect; `reflection_calls` are at
    most those of the plan unless replies are unusable. `usd` is None where a price is not known.
    `counted_by` says how the tokens were counted.
    """

    metric_calls: int
    most_metric_calls: int
    iterations: tuple[int, int]
    proposals: int
    reflection_calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    seconds: float
    busy_s: float
    threads: int
    counted_by: str


def plan(shape: Shape, task: CallSize, reflection: CallSize, *, threads: int, counted_by: str) -> Plan:
    """Calls, tokens, money and time of a run of this shape with `threads` calls of each role open."""
    batches = list(_batches(shape))
    task_calls = sum(each.calls for each in batches if each.role == "task")
    replies = sum(each.calls for each in batches if each.role == "reflection")
    tokens = [
        round(task_calls * of_task + replies * of_reflection)
        for of_task, of_reflection in (
            (task.prompt_tokens, reflection.prompt_tokens),
            (task.completion_tokens, reflection.completion_tokens),
        )
    ]
    usd = None
    if task.usd is not None and reflection.usd is not None:
        usd = task_calls * task.usd + replies * reflection.usd
    children = min(shape.proposals, children_validated(shape.proposals, shape.minibatch, shape.validation))
    over = 2 * shape.minibatch - 1 + children * shape.validation
    return Plan(
        metric_calls=task_calls,
        most_metric_calls=shape.metric_calls + over,
        iterations=(
            _iterations(shape, 2 * shape.minibatch + shape.validation),
            _iterations(shape, shape.minibatch),
        ),
        proposals=shape.proposals,
        reflection_calls=replies,
        prompt_tokens=tokens[0],
        completion_tokens=tokens[1],
        usd=usd,
        seconds=ideal_makespan_s(batches, threads, task.seconds, reflection.seconds),
        busy_s=busy_makespan_s(batches, threads, task.seconds, reflection.seconds),
        threads=threads,
        counted_by=counted_by,
    )


def _batches(shape: Shape) -> Iterator[Batch]:
    """The batches of a run in which every child is rejected."""
    yield Batch("task", shape.validation)
    remaining = shape.metric_calls - shape.validation
    while remaining > 0:
        proposals = proposals_left(remaining, 2 * shape.minibatch, shape.proposals)
        yield Batch("task", proposals * shape.minibatch)
        yield Batch("reflection", proposals)
        yield Batch("task", proposals * shape.minibatch)
        remaining -= 2 * proposals * shape.minibatch


def _iterations(shape: Shape, per_proposal: int) -> int:
    """Iterations when each proposal makes so many metric calls."""
    remaining, count = shape.metric_calls - shape.validation, 0
    while remaining > 0:
        remaining -= per_proposal * proposals_left(remaining, per_proposal, shape.proposals)
        count += 1
    return count
