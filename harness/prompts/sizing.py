"""How many examples choose and judge a prompt, and how many calls are worth having open.

Examples: the sample size of a paired comparison. Calls: the least of what the server holds and of what there
is to do, by the KV cache that a real request takes (`harness.costmodel`) or by what the server says itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

from harness.costmodel.serving import Serving, capacity_of, documented, usable_blocks
from harness.costmodel.shapes import ModelShape
from harness.errors import HarnessError
from harness.hardware.rows import HOST_ROW, Row
from harness.measure.divergence import CONFIDENCE, POWER
from harness.prompts.examples import ExampleSet
from harness.prompts.rules import LOCAL_THREADS, threads_range
from harness.prompts.strata import stratified

EFFECT = 0.05
"""A difference of mean F1 worth choosing a prompt for: five points."""
PAIRED_SD = 0.2
"""Standard deviation of the difference of two prompts' F1 on one example, until it is measured."""
LEAST_TRAIN = 3
"""GEPA's reflection minibatch."""
LEAST_HELD_OUT = 2
LEAST_EXAMPLES = LEAST_TRAIN + 2 * LEAST_HELD_OUT
_TRAIN_SHARE = 4  # at least one in so many


# --- examples ---


def examples_for(
    effect: float, sd: float = PAIRED_SD, *, confidence: float = CONFIDENCE, power: float = POWER
) -> int:
    """Pairs that show a true difference `effect` of mean scores with probability `power`, at least 2.

    ((z_confidence + z_power) sd / effect)^2, `sd` that of the paired differences (Julious 2004, Statistics in
    Medicine 23: 1921-1986, section 3). Raises HarnessError where `effect` or `sd` is not positive and finite.
    """
    _require_positive(effect, "effect")
    _require_positive(sd, "sd")
    return max(2, math.ceil((_deviates(confidence, power) * sd / effect) ** 2))


def detectable_effect(
    n: int, sd: float = PAIRED_SD, *, confidence: float = CONFIDENCE, power: float = POWER
) -> float:
    """The difference of mean scores that `n` pairs show with probability `power`; infinite below 2 pairs."""
    return _deviates(confidence, power) * sd / math.sqrt(n) if n > 1 else math.inf


def _deviates(confidence: float, power: float) -> float:
    if not (0.0 < confidence < 1.0 and 0.5 <= power < 1.0):
        raise HarnessError(
            f"confidence {confidence} and power {power}", allowed="above 0 and below 1, power from 0.5"
        )
    normal = NormalDist()
    return normal.inv_cdf(0.5 + confidence / 2.0) + normal.inv_cdf(power)


def _require_positive(value: float, where: str) -> None:
    if not 0.0 < value < math.inf:
        raise HarnessError(f"is {value}", where=where, allowed="above 0")


@dataclass(frozen=True, slots=True)
class Split:
    """Examples to learn from, to choose by, and to report on, which share none.

    `wanted` is the size that `effect` asks of validation and test. Each of the two resolves its
    `detectable_effect`, which is larger where there are too few examples.
    """

    train: ExampleSet
    validation: ExampleSet
    test: ExampleSet
    effect: float
    sd: float
    seed: int
    wanted: int

    @property
    def resolved(self) -> tuple[float, float]:
        """The differences that validation and test resolve."""
        sizes = len(self.validation.examples), len(self.test.examples)
        return detectable_effect(sizes[0], self.sd), detectable_effect(sizes[1], self.sd)

    @property
    def is_enough(self) -> bool:
        """Whether validation and test both resolve `effect`."""
        return min(len(self.validation.examples), len(self.test.examples)) >= self.wanted


def split_three(
    examples: ExampleSet, *, effect: float = EFFECT, sd: float = PAIRED_SD, seed: int = 0
) -> Split:
    """Validation and test as large as `effect` asks, the rest for training, which costs nothing.

    Where that leaves fewer than a quarter to learn from, the quarter is kept and validation and test share
    the rest. Stratified by the types an example has, by `seed`, whatever the file's order. Raises
    HarnessError for fewer than LEAST_EXAMPLES.
    """
    n, wanted = len(examples.examples), examples_for(effect, sd)
    if n < LEAST_EXAMPLES:
        raise HarnessError(
            f"{n} example{'s' if n != 1 else ''} to split in three",
            allowed=f"{LEAST_EXAMPLES} and more",
            next_step=f"add examples; {wanted} held out would resolve {_points(effect)} points of F1",
        )
    held_out = n - max(LEAST_TRAIN, math.ceil(n / _TRAIN_SHARE))
    validation = min(wanted, held_out // 2)
    test = min(wanted, held_out - validation)
    learn, choose, report = stratified(examples, (n - validation - test, validation, test), seed)
    return Split(learn, choose, report, effect=effect, sd=sd, seed=seed, wanted=wanted)


def explain_split(split: Split) -> str:
    """One line for people."""
    sizes = (f"{len(part.examples):,}" for part in (split.train, split.validation, split.test))
    text = "{} to learn from, {} to choose by, {} to report on".format(*sizes)
    chosen, reported = split.resolved
    text += f"; they resolve {_points(chosen)} and {_points(reported)} points of F1"
    if not split.is_enough:
        text += f"; {_points(split.effect)} points would take {split.wanted:,} each"
    return f"{text} (standard deviation {split.sd:g} of paired differences, seed {split.seed})"


def _points(effect: float) -> str:
    return f"{100 * effect:.3g}"


# --- calls ---


@dataclass(frozen=True, slots=True)
class Stated:
    """What a server says of itself: tokens of its KV cache (vLLM: blocks x block size), slots (llama.cpp)."""

    kv_tokens: int | None = None
    slots: int | None = None


UNSTATED = Stated()


def capacity_for(
    row: Row,
    shape: ModelShape,
    weights: str,
    prompt_tokens: int,
    answer_tokens: int,
    *,
    stated: Stated = UNSTATED,
) -> float:
    """Requests of this length that the row's server holds at once, by `weights` (a weight format's name).

    What the server states goes before what the cost model computes. The prefix that requests share is counted
    for each: a lower bound. On the host, where the document serves one call at a time, only what is stated
    says more. Raises HarnessError for a request longer than max_model_len (of the row's documented settings),
    and, with exit code 3, where the model does not fit.
    """
    serving = documented(shape, weights, row)
    tokens = prompt_tokens + answer_tokens
    if not 0 < tokens <= serving.max_model_len:
        raise HarnessError(
            f"a request of {tokens:,} tokens",
            where=row.name,
            allowed=f"1 to {serving.max_model_len:,} (max_model_len)",
            next_step="shorten the instruction or the answer, or raise max_model_len",
        )
    return min(_slots(serving, stated), _held(serving, tokens, stated))


def _slots(serving: Serving, stated: Stated) -> float:
    if stated.slots is not None:
        return stated.slots
    if serving.row.name == HOST_ROW:
        return max(threads_range(serving.row) or (LOCAL_THREADS,))
    return serving.max_sequences


def _held(serving: Serving, tokens: int, stated: Stated) -> float:
    """Requests of so many tokens in the KV cache."""
    per_request = capacity_of(replace(serving, max_model_len=tokens)).blocks_per_request
    if stated.kv_tokens is not None:
        return stated.kv_tokens // serving.block_tokens / per_request
    return math.inf if serving.row.name == HOST_ROW else usable_blocks(serving) / per_request


def useful_threads(
    capacity: float, minibatch: int, proposals: int = 1, validation: int = 0, accepted: int = 1
) -> int:
    """Threads that GEPA can use: what the server holds, or all there is to do at once, if that is less.

    At once are the minibatches of an iteration's proposals, then the validation examples of the accepted
    children: min(capacity, max(minibatch x proposals, validation x accepted)), at least 1. How many examples
    there are in all plays no part. Raises HarnessError for a capacity of nothing.
    """
    _require_capacity(capacity)
    return max(1, math.floor(min(capacity, max(minibatch * proposals, validation * accepted))))


def evaluation_threads(capacity: float, examples: int) -> int:
    """Threads that a plain evaluation can use: min(capacity, examples), at least 1."""
    return useful_threads(capacity, examples)


def _require_capacity(capacity: float) -> None:
    if not capacity > 0.0:
        raise HarnessError(f"is {capacity}", where="capacity", allowed="above 0")
