"""Continuous batching of our own: requests join and leave a cache of rows at every step.

Prompts that join run together, padded at the right, and what runs already makes its next tokens in the same
step. Rows in use are kept side by side, so no step computes for an empty one.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from harness.engines.protocol import Capability, Sampling
from harness.engines.transformers_batching import Loaded, Work
from harness.engines.transformers_job import Job, give_tokens
from harness.errors import HarnessError

# Looking up and copying a shorter prefix costs about as much as computing it.
_MIN_SHARED_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Slots:
    """At most `parallel` requests run, each in a row of the cache.

    At most `prompt_tokens` of prompts (padding included) join per step, but one prompt at least. With
    `prefix_tokens` the keys and values of so many prompt tokens are kept; the least recently used ones go.
    """

    parallel: int = 16
    prompt_tokens: int = 4096
    prefix_tokens: int = 0

    @property
    def title(self) -> str:
        return f"continuous batching in {self.parallel} slots"

    @property
    def lacks(self) -> dict[Capability, str]:
        if self.prefix_tokens:
            return {}
        return {"prefix_cache": "switched off in its settings (prefix_tokens)"}

    @property
    def makes_masks(self) -> bool:
        return True

    @property
    def gathers(self) -> bool:
        return False

    def refuses(self, sampling: Sampling) -> str:
        return ""

    def capacity(self, context_tokens: int) -> int:
        return context_tokens

    def start(self, loaded: Loaded, work: Work) -> SlotBatch:
        if loaded.compiled:
            raise HarnessError(
                "torch.compile does not follow slots, whose number changes at every step",
                allowed="Sequential, Padded, Paged",
            )
        if any("full" not in kind for kind in getattr(loaded.model.config, "layer_types", None) or ()):
            raise HarnessError(
                "slots hold full attention only, and this model has other layers",
                allowed="Sequential, Padded",
            )
        return SlotBatch(self, loaded, work)


class SlotBatch:
    """Jobs in the rows of one cache: row i belongs to job i."""

    def __init__(self, options: Slots, loaded: Loaded, work: Work) -> None:
        self._options = options
        self._loaded = loaded
        self._work = work
        self._jobs: list[Job] = []
        self._lengths: list[int] = []
        self._joined = 0
        self._prefixes = Prefixes(options.prefix_tokens)
        self._cache = self._new_cache()

    @property
    def running(self) -> Sequence[Job]:
        return [job for job in self._jobs if not job.is_over]

    def join(self, waiting: deque[Job]) -> None:
        self._leave()
        self._joined = 0
        longest = 0
        while waiting and len(self._jobs) < self._options.parallel:
            job = waiting[0]
            newcomers = self._jobs[len(self._jobs) - self._joined :]
            cached = self._prefixes.longest(job.prompt)
            longest = max(longest, len(job.prompt) - cached)
            if newcomers and longest * (self._joined + 1) > self._options.prompt_tokens:
                return
            if self._prefixes.would_gain(job.prompt, cached, newcomers):
                return  # at the next step it finds what a newcomer computes now
            waiting.popleft()
            self._seat(job)

    def _seat(self, job: Job) -> None:
        states = self._prefixes.find(job.prompt)
        job.cached_tokens = 0 if states is None else states.shape[2]
        if states is not None:
            self._cache.copy_in(len(self._jobs), states)
        self._jobs.append(job)
        self._lengths.append(job.cached_tokens)
        self._joined += 1

    def step(self) -> None:
        decoding = len(self._jobs) - self._joined
        if decoding:
            # Before the prompts: whoever joined gets its first token now and its second at the next step.
            jobs = self._jobs[:decoding]
            give_tokens(jobs, self._run(0, [[job.last] for job in jobs]))
        if self._joined:
            self._prefill(decoding)
        self._leave()

    def _prefill(self, first: int) -> None:
        jobs = self._jobs[first:]
        logits = self._run(first, [job.prompt[job.cached_tokens :] for job in jobs])
        for row, job in enumerate(jobs, start=first):
            self._prefixes.keep(job.prompt, self._cache, row)
        self._joined = 0
        give_tokens(jobs, logits)

    def _run(self, first: int, tokens: Sequence[Sequence[int]]) -> Any:
        """Run tokens on consecutive rows; logits [rows, vocabulary] after the last token of each."""
        import torch

        from harness.engines.transformers_cache import Place, additive, visible

        counts = [len(row) for row in tokens]
        width = max(counts)
        starts = self._lengths[first : first + len(tokens)]
        device = self._loaded.device
        padded = [[*row, *[self._loaded.padding] * (width - len(row))] for row in tokens]
        positions = torch.tensor(starts, device=device)[:, None] + torch.arange(width, device=device)
        length = max(start + count for start, count in zip(starts, counts, strict=True))
        is_fresh = not any(starts)
        self._cache.aim(Place(first, positions, self._read_length(length), is_fresh))
        mask = None if is_fresh else visible(starts, width, self._read_length(length), device)
        if mask is not None and self._loaded.attention == "eager":
            mask = additive(mask, self._loaded.model.dtype)
        last = sorted({count - 1 for count in counts})
        output = self._loaded.model(
            input_ids=torch.tensor(padded, device=device),
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=torch.tensor(last, device=device),
        )
        for row, count in enumerate(counts):
            self._lengths[first + row] += count
        self._work.add(width * len(tokens), sum(counts))
        at = torch.tensor([last.index(count - 1) for count in counts], device=device)
        return output.logits[torch.arange(len(tokens), device=device), at]

    def _read_length(self, length: int) -> int:
        return self._cache.length if self._loaded.static_cache else length

    def _leave(self) -> None:
        """Fill the row of every job that is over with the last one in use."""
        for row in range(len(self._jobs) - 1, -1, -1):
            if self._jobs[row].is_over:
                job, length = self._jobs.pop(), self._lengths.pop()
                if row < len(self._jobs):
                    self._cache.move(len(self._jobs), row, length)
                    self._jobs[row], self._lengths[row] = job, length

    def paused(self) -> AbstractContextManager[None]:
        return nullcontext()

    def drop(self) -> None:
        self._jobs, self._lengths, self._joined = [], [], 0
        self._prefixes = Prefixes(self._options.prefix_tokens)
        self._cache = self._new_cache()

    def close(self) -> None:
        self.drop()

    def _new_cache(self) -> Any:
        from harness.engines.transformers_cache import RowCache

        layers = self._loaded.model.config.get_text_config().num_hidden_layers
        longest = self._loaded.context_tokens
        return RowCache(layers, self._options.parallel, longest, self._loaded.static_cache)


class Prefixes:
    """Keys and values of prompts that ran, at most `limit` tokens of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[tuple[int, ...], Any] = OrderedDict()

    def longest(self, prompt: tuple[int, ...]) -> int:
        """How many of its first tokens are held; never the last one, whose logits are wanted."""
        found = max((_common(prompt[:-1], held) for held in self._held), default=0)
        return found if found >= _MIN_SHARED_TOKENS else 0

    def would_gain(self, prompt: tuple[int, ...], cached: int, newcomers: Sequence[Job]) -> bool:
        """Whether more of the prompt will be held once the newcomers have run."""
        if not self._limit:
            return False
        soon = max((_common(prompt[:-1], job.prompt) for job in newcomers), default=0)
        return soon >= max(_MIN_SHARED_TOKENS, cached + 1)

    def find(self, prompt: tuple[int, ...]) -> Any:
        """The states of its longest held prefix, [layers, 2, tokens, kv heads, width], or None."""
        tokens = self.longest(prompt)
        if not tokens:
            return None
        held = next(held for held in self._held if _common(prompt[:-1], held) == tokens)
        self._held.move_to_end(held)
        return self._held[held][:, :, :tokens]

    def keep(self, prompt: tuple[int, ...], cache: Any, row: int) -> None:
        """Hold what the row has of the prompt, unless that is held already or more than all there may be."""
        covered = any(_common(prompt, held) == len(prompt) for held in self._held)
        if len(prompt) > self._limit or covered:
            return
        self._held[prompt] = cache.copy_out(row, len(prompt))
        while sum(map(len, self._held)) > self._limit:
            self._held.popitem(last=False)


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the common prefix."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
