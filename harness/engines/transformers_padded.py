"""One request at a time, or batches padded at the left: a batch ends before the next one begins."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from harness.engines.protocol import Capability, Sampling
from harness.engines.transformers_batching import Loaded, Work
from harness.engines.transformers_job import Job, give_tokens

# A static cache is as long as a multiple of this, so that batches of like length share one.
_STATIC_STEP = 256


@dataclass(frozen=True, slots=True)
class Sequential:
    """One request at a time, in the order they came."""

    @property
    def parallel(self) -> int:
        return 1

    @property
    def title(self) -> str:
        return "one request at a time"

    @property
    def lacks(self) -> dict[Capability, str]:
        return {
            "parallel": "it runs one request at a time",
            "prefix_cache": "it forgets a request at its end",
        }

    @property
    def makes_masks(self) -> bool:
        return False

    @property
    def gathers(self) -> bool:
        return False

    def refuses(self, sampling: Sampling) -> str:
        return ""

    def capacity(self, context_tokens: int) -> int:
        return context_tokens

    def start(self, loaded: Loaded, work: Work) -> PaddedBatch:
        return PaddedBatch(1, False, loaded, work)


@dataclass(frozen=True, slots=True)
class Padded:
    """Up to `parallel` requests at a time, all padded to the longest prompt and kept to the last one's end.

    With `by_length` the oldest request is joined by those nearest to it in length instead of the next oldest.
    """

    parallel: int = 8
    by_length: bool = False

    @property
    def title(self) -> str:
        kind = "batches of like length" if self.by_length else "batches"
        return f"static {kind} of at most {self.parallel}"

    @property
    def lacks(self) -> dict[Capability, str]:
        return {"prefix_cache": "it forgets a batch at its end"}

    @property
    def makes_masks(self) -> bool:
        return False

    @property
    def gathers(self) -> bool:
        return True

    def refuses(self, sampling: Sampling) -> str:
        return ""

    def capacity(self, context_tokens: int) -> int:
        return context_tokens

    def start(self, loaded: Loaded, work: Work) -> PaddedBatch:
        return PaddedBatch(self.parallel, self.by_length, loaded, work)


class PaddedBatch:
    """The jobs of one batch; a job that is over keeps its row, which is then padding, until all are over."""

    def __init__(self, parallel: int, by_length: bool, loaded: Loaded, work: Work) -> None:
        self._parallel = parallel
        self._by_length = by_length
        self._loaded = loaded
        self._step = _compiled(loaded.model) if loaded.compiled else loaded.model
        self._work = work
        self._jobs: list[Job] = []
        self._cache: Any = None
        self._static: dict[tuple[int, int], Any] = {}
        self._mask: Any = None
        self._starts: Any = None
        self._width = 0

    @property
    def running(self) -> Sequence[Job]:
        return [job for job in self._jobs if not job.is_over]

    def join(self, waiting: deque[Job]) -> None:
        if self.running:
            return
        self._jobs = chosen(waiting, self._parallel, self._by_length)
        for job in self._jobs:
            waiting.remove(job)
        self._width = 0

    def step(self) -> None:
        if not self.running:
            return
        logits = self._decode() if self._width else self._prefill()
        give_tokens(self._jobs, logits)

    def _prefill(self) -> Any:
        import torch

        device, padding = self._loaded.device, self._loaded.padding
        lengths = [len(job.prompt) for job in self._jobs]
        self._width = max(lengths)
        gaps = [self._width - length for length in lengths]
        ids = [[padding] * gap + list(job.prompt) for gap, job in zip(gaps, self._jobs, strict=True)]
        self._starts = torch.tensor(gaps, device=device)
        room = self._width + max(job.limit for job in self._jobs)
        self._mask = None
        if any(gaps):
            self._mask = torch.arange(room, device=device)[None, :] >= self._starts[:, None]
        self._cache = self._new_cache(room)
        self._work.add(self._width * len(self._jobs), sum(lengths))
        positions = torch.arange(self._width, device=device)[None, :] - self._starts[:, None]
        return self._run(self._loaded.model, torch.tensor(ids, device=device), positions.clamp_(min=0))

    def _decode(self) -> Any:
        import torch

        device, padding = self._loaded.device, self._loaded.padding
        last = [[padding if job.is_over else job.last] for job in self._jobs]
        positions = self._width - self._starts[:, None]
        self._width += 1
        self._work.add(len(self._jobs), len(self.running))
        return self._run(self._step, torch.tensor(last, device=device), positions)

    def _run(self, model: Any, ids: Any, positions: Any) -> Any:
        """Logits [rows, vocabulary] of the last column."""
        output = model(
            input_ids=ids,
            attention_mask=None if self._mask is None else self._mask[:, : self._width],
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1]

    def _new_cache(self, room: int) -> Any:
        from transformers.cache_utils import DynamicCache, StaticCache

        config = self._loaded.model.config
        if not self._loaded.static_cache:
            return DynamicCache(config=config)
        size = (len(self._jobs), -(-room // _STATIC_STEP) * _STATIC_STEP)
        if size not in self._static:
            # Compiled code refers to the tensors of the cache it was made with, so that one is kept.
            self._static = {size: StaticCache(config=config, max_cache_len=size[1])}
        self._static[size].reset()
        return self._static[size]

    def paused(self) -> AbstractContextManager[None]:
        return nullcontext()

    def drop(self) -> None:
        self._jobs, self._cache, self._static = [], None, {}

    def close(self) -> None:
        self.drop()


def _compiled(model: Any) -> Any:
    import torch

    # CUDA graphs, as the detection guide has it (Technique 7); a CPU has none
    return torch.compile(model, mode="reduce-overhead" if model.device.type == "cuda" else None)


def chosen(waiting: deque[Job], parallel: int, by_length: bool) -> list[Job]:
    """The oldest job, and those that are batched with it, in the order they came."""
    if not by_length or not waiting:
        return list(waiting)[:parallel]
    oldest = len(waiting[0].prompt)
    nearest = sorted(range(len(waiting)), key=lambda at: (abs(len(waiting[at].prompt) - oldest), at))
    return [waiting[at] for at in sorted(nearest[:parallel])]
