"""The rules of prompt-optimizers.md, exactly as it states them. `sizing` has the ones to use.

What the document leaves open is decided as the program it describes decides it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from numpy.typing import ArrayLike

from harness.errors import HarnessError
from harness.hardware.rows import Row
from harness.measure.divergence import LIMIT, Divergence, judge_divergence
from harness.prompts.examples import ExampleSet

LOCAL_THREADS = 1
MOST_REMOTE_THREADS = 20
MOST_VALIDATION = 3

T = TypeVar("T")


def get_num_threads(num_examples: int, remote: bool) -> int:
    """ "Dynamic Threads": min(num_examples, 20) for a remote model, 1 for the local one.

    Raises HarnessError below one example, where DSPy would read 0 as its own default of 8.
    """
    if num_examples < 1:
        raise HarnessError(f"num_examples is {num_examples}", allowed="1 and more")
    return min(num_examples, MOST_REMOTE_THREADS) if remote else LOCAL_THREADS


def threads_range(row: Row) -> tuple[int, int] | None:
    """ "Thread config": least and most threads that the document gives a row's GPU; None for other rows."""
    found = row.serving.get("threads_range")
    return (int(found[0]), int(found[1])) if found else None


def split_examples(examples: Sequence[T]) -> tuple[list[T], list[T]]:
    """ "Train/Val Split": (train, validation), the last n // 10 of n examples for validation, 1 to 3 of them.

    The order is kept. Raises HarnessError for fewer than 2 examples.
    """
    n = len(examples)
    if n < 2:
        raise HarnessError(
            f"{n} example{'s' if n != 1 else ''} to split",
            allowed="2 and more: one to learn from, one to choose by",
            next_step="add examples",
        )
    train = n - min(max(n // 10, 1), MOST_VALIDATION)
    return list(examples[:train]), list(examples[train:])


def split_set(examples: ExampleSet) -> tuple[ExampleSet, ExampleSet]:
    """`split_examples` of a set."""
    train, validation = split_examples(examples.examples)
    return ExampleSet(examples.types, tuple(train)), ExampleSet(examples.types, tuple(validation))


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the document says of a drop, by the estimate alone; `judged` says whether it can be told."""

    judged: Divergence

    @property
    def failed(self) -> bool:
        """Whether the estimated drop is above the limit."""
        return self.judged.drop > self.judged.limit

    @property
    def advice(self) -> str:
        """What to do, in the document's words where it has any."""
        if self.judged.decision == "undefined":
            return "optimize first: nothing is right on the higher precision, so nothing can drop"
        return "optimize locally" if self.failed else "use the prompt as it is"


def divergence_rule(higher: ArrayLike, lower: ArrayLike, *, limit: float = LIMIT, seed: int = 0) -> Ruling:
    """ "Quantization Divergence": "If metrics drop >5%, optimize locally instead".

    The drop is relative to the higher precision's score, which the document leaves open; from 66.7 % to
    63.0 % is a drop of 5.5 %. Results are those of `harness.measure.divergence.judge_divergence`.
    """
    return Ruling(judge_divergence(higher, lower, limit=limit, seed=seed))
