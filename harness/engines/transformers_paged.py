"""The continuous batching that comes with transformers: its scheduler, its paged cache, its own thread.

What the `generate_batch` method of a model does, for requests that come one by one. Greedy only: the library
seeds its sampling once for all requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.engines.protocol import Capability, EngineFailure, Sampling
from harness.engines.transformers_batching import Loaded, Work
from harness.engines.transformers_job import Job
from harness.engines.transformers_loading import quiet
from harness.errors import HarnessError

_POLL_S = 0.02
_STOP_S = 60.0
_GREEDY_ONLY = "the library's continuous batching has one seed for all requests: greedy only (temperature 0)"


@dataclass(frozen=True, slots=True)
class Paged:
    """`blocks` of `block_tokens` tokens hold all keys and values; a step runs at most `batch_tokens` tokens.

    Left to itself the library fills most of the memory with blocks, so their number is always given.
    """

    parallel: int = 16
    blocks: int = 128
    block_tokens: int = 64
    batch_tokens: int = 512

    @property
    def title(self) -> str:
        return f"the library's continuous batching of at most {self.parallel}"

    @property
    def lacks(self) -> dict[Capability, str]:
        return {"prefix_cache": "the library shares blocks but does not say how many tokens that saved"}

    @property
    def makes_masks(self) -> bool:
        return False

    @property
    def gathers(self) -> bool:
        return False

    def refuses(self, sampling: Sampling) -> str:
        return "" if sampling.temperature <= 0 else _GREEDY_ONLY

    def capacity(self, context_tokens: int) -> int:
        return min(context_tokens, self.blocks * self.block_tokens)

    def start(self, loaded: Loaded, work: Work) -> PagedBatch:
        if loaded.static_cache:
            raise HarnessError("the paged cache cannot be a static one", allowed="Sequential, Padded, Slots")
        return PagedBatch(self, loaded, work)


class PagedBatch:
    """Hands jobs to the library and takes their tokens from its queue."""

    def __init__(self, options: Paged, loaded: Loaded, work: Work) -> None:
        self._options = options
        self._loaded = loaded
        self._work = work
        self._jobs: dict[str, Job] = {}
        self._number = 0
        # The library packs tokens without padding, so what runs is what had to.
        self._hook = loaded.model.register_forward_pre_hook(self._count, with_kwargs=True)
        self._begin()

    def _count(self, model: Any, inputs: Any, named: dict[str, Any]) -> None:
        tokens = named["input_ids"].numel()
        self._work.add(tokens, tokens)

    def _begin(self) -> None:
        from transformers import ContinuousBatchingConfig, GenerationConfig

        options = self._options
        generation = GenerationConfig(
            do_sample=False, eos_token_id=sorted(self._loaded.ends) or -1, pad_token_id=self._loaded.padding
        )
        with quiet():
            self._manager = self._loaded.model.init_continuous_batching(
                generation_config=generation,
                continuous_batching_config=ContinuousBatchingConfig(
                    page_size=options.block_tokens,
                    num_blocks=options.blocks,
                    max_batch_tokens=options.batch_tokens,
                    max_requests_per_batch=options.parallel,
                    default_compile_level=1 if self._loaded.compiled else 0,
                    auto_switch_to_flash=False,
                ),
            )
            self._manager.start()

    @property
    def running(self) -> Sequence[Job]:
        return [job for job in self._jobs.values() if not job.is_over]

    def join(self, waiting: deque[Job]) -> None:
        self._leave()
        if not self._jobs and self._manager.background_thread_status.can_accept_new_requests():
            self.drop()  # a failure ends the library's loop, which has told its jobs: a new one begins
        while waiting and len(self._jobs) < self._options.parallel:
            job = waiting[0]
            self._number += 1
            accepted = self._manager.add_request(
                list(job.prompt),
                request_id=str(self._number),
                max_new_tokens=job.limit,
                streaming=True,
                eos_token_id=sorted(job.ends) or -1,
            )
            if accepted is None:
                return
            self._jobs[accepted] = waiting.popleft()

    def step(self) -> None:
        """Take what the library has made so far, waiting a little for the first of it."""
        output = self._manager.get_result(timeout=_POLL_S)
        while output is not None:
            job = self._jobs.get(output.request_id)
            if job is not None and not job.is_over:
                self._take(job, output)
            output = None if self._manager.output_router.output_queue.empty() else self._manager.get_result()
        self._leave()
        if self._jobs and not self._manager.is_running():
            raise EngineFailure(
                f"continuous batching ended: {self._manager.background_thread_status.fatal_error}"
            )

    def _take(self, job: Job, output: Any) -> None:
        if output.error is not None:
            job.fail(EngineFailure(f"continuous batching failed: {output.error}", retryable=True))
            return
        # The output repeats all tokens so far.
        for token in output.generated_tokens[len(job.made) :]:
            if not job.is_over:
                job.take(token)

    def _leave(self) -> None:
        for name, job in list(self._jobs.items()):
            if job.is_over:
                self._manager.cancel_request(name)
                del self._jobs[name]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The model for oneself, with what runs kept."""
        with self._manager.pause():
            yield

    def drop(self) -> None:
        self._end()
        self._begin()

    def close(self) -> None:
        self._end()
        self._hook.remove()

    def _end(self) -> None:
        self._jobs = {}
        with quiet():
            self._manager.stop(block=True, timeout=_STOP_S, hard_stop=True)
            self._manager.destroy()
