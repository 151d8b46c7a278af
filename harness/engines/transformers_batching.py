"""How requests share a transformers model: what every way of batching offers to the engine's loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from harness.engines.protocol import Capability, Sampling
from harness.engines.transformers_job import Job


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready to run, and how: with a cache of fixed size, with decoding compiled.

    `ends` are the tokens that end a completion, `padding` one that fills rows and never counts.
    """

    model: Any
    device: str
    attention: str
    context_tokens: int
    vocabulary: int
    ends: frozenset[int]
    padding: int
    static_cache: bool = False
    compiled: bool = False


@dataclass(frozen=True, slots=True)
class Statistics:
    """What an engine has done since it was loaded.

    `computed_tokens` went through the model; `padding_tokens` of them filled rows and counted for nothing.
    Requests that were cancelled or timed out count too; those that failed do not.
    """

    requests: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    forward_calls: int
    computed_tokens: int
    padding_tokens: int
    most_at_once: int

    @property
    def padding_share(self) -> float:
        """Padding in what was computed, 0 to 1."""
        return self.padding_tokens / self.computed_tokens if self.computed_tokens else 0.0


@dataclass(slots=True)
class Work:
    """The same numbers while they grow, on the engine's thread."""

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    forward_calls: int = 0
    computed_tokens: int = 0
    padding_tokens: int = 0
    most_at_once: int = 0

    def add(self, computed: int, useful: int) -> None:
        """Count one forward pass."""
        self.forward_calls += 1
        self.computed_tokens += computed
        self.padding_tokens += computed - useful

    def count(self, prompt: int, cached: int, completion: int) -> None:
        """Count one request that has ended."""
        self.requests += 1
        self.prompt_tokens += prompt
        self.cached_tokens += cached
        self.completion_tokens += completion

    def statistics(self) -> Statistics:
        """The numbers as they are now."""
        return Statistics(**asdict(self))


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

    def paused(self) -> AbstractContextManager[None]:
        """The model for oneself meanwhile, what runs kept."""
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

    @property
    def makes_masks(self) -> bool:
        """Whether it makes attention masks of its own, which flash attention does not take."""
        ...

    @property
    def gathers(self) -> bool:
        """Whether nobody can join later, so that the first request waits for those that come with it."""
        ...

    def refuses(self, sampling: Sampling) -> str:
        """Why it cannot serve such a request, or ""."""
        ...

    def capacity(self, context_tokens: int) -> int:
        """The most tokens of a prompt and its completion, for a model of so many."""
        ...

    def start(self, loaded: Loaded, work: Work) -> Batch:
        """An empty batch; raises HarnessError when the model or the settings do not suit it."""
        ...
