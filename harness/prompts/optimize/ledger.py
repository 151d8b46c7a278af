"""What one optimization did, written down while it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.calls.answer import Answer
from harness.calls.model import Model
from harness.engines.protocol import Request
from harness.prompts.optimize.budget import Batch
from harness.prompts.optimize.reflection import Reply, Unusable


@dataclass(frozen=True, slots=True)
class Rejected:
    """A proposal that was not validated, with mean F1 on its minibatch.

    It did no better than its parent (a candidate's number), or others of its iteration improved more.
    """

    instruction: str
    parent: int
    before: float
    after: float


@dataclass(slots=True)
class Ledger:
    """Everything is listed in the order of the run, which no thread changes."""

    batches: list[Batch] = field(default_factory=list)
    unreadable: int = 0
    unusable: Counter[Unusable] = field(default_factory=Counter)
    unusable_in_a_row: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    known: set[str] = field(default_factory=set)  # the candidates' words
    sampled: int = 0  # parents and minibatches that a proposal was to be made from

    def ask(self, model: Model, requests: Sequence[Request]) -> list[Answer]:
        """Have all of them answered, as one batch."""
        self.batches.append(Batch(model.role, len(requests)))
        return model.answers(requests)

    def replied(self, reply: Reply) -> None:
        """Count one reply of the reflection model."""
        if reply.unusable:
            self.unusable[reply.unusable] += 1
            self.unusable_in_a_row += 1
        else:
            self.unusable_in_a_row = 0

    def calls(self, role: str) -> int:
        """Answers asked of a role, wherever they came from."""
        return sum(each.calls for each in self.batches if each.role == role)
