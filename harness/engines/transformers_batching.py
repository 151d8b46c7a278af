"""How requests share a transformers model: what every way of batching offers to the engine's loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.engines.protocol import Capability
from harness.engines.transformers_job import Job


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready to run. `step` is the model, compiled when that was asked for: it runs decoding.

    `ends` are the tokens that end a completion, `padding` one that fills rows and never counts.
    """

    model: Any
    step: Callable[..., Any]
    device: str
    attention: str
    context_tokens: int
    ends: frozenset[int]
    padding: int
    static_cache: bool = False
    compiled: bool = False


@dataclass(slots=True)
class Work:
    """What the forward passes really did, in tokens: `computed` of them ran, `useful` ones had to."""

    forward_calls: int = 0
    computed_tokens: int = 0
    useful_tokens: int = 0

    def add(self, computed: int, useful: int) -> None:
        """Count one forward pass."""
        self.forward_calls += 1
        self.computed_tokens += computed
        self.useful_tokens += useful


class Batch(Protocol):
    """Requests that run together. Lives on the engine's thread."""

    @property
    def running(self) -> Sequence[Job]:
        """The jobs that have joined and are not over."""
        ...

    def join(self, waiting: deque[Job]) -> None:
        """Take from the queue what may run now."""
        ...

    def step(self) -> None:
        """Make at most one token for each running job, and let go of those that are over."""
        ...

    def drop(self) -> None:
        """Forget all jobs and what is computed for them, after a failure."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


class Batching(Protocol):
    """A choice of how to batch."""

    @property
    def parallel(self) -> int:
        """The most requests that run at the same time."""
        ...

    @property
    def title(self) -> str:
        """As reports print it."""
        ...

    @property
    def lacks(self) -> dict[Capability, str]:
        """What this way of batching cannot offer, with the reason."""
        ...

    def capacity(self, context_tokens: int) -> int:
        """The most tokens of a prompt and its completion, for a model of so many."""
        ...

    def start(self, loaded: Loaded, work: Work) -> Batch:
        """An empty batch; raises HarnessError when the model or the settings do not suit it."""
        ...
