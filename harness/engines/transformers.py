"""The transformers library as an engine: one thread runs the model, and a `Batching` says who runs together.

Nothing here imports torch before `load`. When memory runs out, the requests that run fail (retryable), what
they held is freed and the engine goes on; after any other failure all open requests fail and it refuses more.
"""

from __future__ import annotations

import importlib.metadata
import logging
import queue
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.engines.gathering import until_quiet
from harness.engines.prompt_ids import encoded, prompt_ids
from harness.engines.protocol import Capability, EngineFailure, Forward, Request, Sampling, Ticket
from harness.engines.threads import is_small
from harness.engines.transformers_attention import use_grouped_heads
from harness.engines.transformers_batching import Batch, Batching, Loaded, Statistics, Work
from harness.engines.transformers_forward import OFFERED, forward_pass
from harness.engines.transformers_job import Detokenizer, Job
from harness.engines.transformers_loading import (
    Attention,
    AttentionName,
    Precision,
    Quantization,
    card_of,
    choose_attention,
    dtype_of,
    is_out_of_memory,
    load_model,
    load_tokenizer,
    package,
)
from harness.engines.transformers_paged import Paged
from harness.engines.transformers_slots import Slots
from harness.errors import HarnessError

log = logging.getLogger(__name__)

_NO_CONSTRAINT = "transformers cannot constrain its output, and no package for that is in the extra `models`"
_CLOSE_S = 60.0


@dataclass(frozen=True, slots=True)
class TransformersSettings:
    """What to load and how to run it.

    `device` "" is the first CUDA card, or the CPU. `attention` None takes the fastest that can run. `threads`
    is torch's number of CPU threads, for the whole process; None on a CPU is one for a small model
    (`threads.is_small`), and else leaves it. `compile` runs decoding through torch.compile,
    which takes half a minute and more at the first requests and wants `static_cache`, whose shapes stay.
    """

    model: Path
    batching: Batching = field(default_factory=Slots)
    device: str = ""
    precision: Precision = "checkpoint"
    quantization: Quantization = "none"
    attention: AttentionName | None = None
    static_cache: bool = False
    compile: bool = False
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class _Scoring:
    """A forward pass to run between two steps."""

    token_ids: tuple[int, ...]
    wants: frozenset[Capability]
    rows: tuple[int, ...]
    result: Future[Forward] = field(default_factory=Future)


def load(settings: TransformersSettings) -> Transformers:
    """Load the model and start its thread.

    Raises HarnessError for a folder, package or setting that does not fit, EngineFailure out of memory.
    """
    package()
    import torch

    device = settings.device or ("cuda:0" if torch.cuda.is_available() else "cpu")
    dtype = dtype_of(settings.model, settings.precision)
    attention = choose_attention(settings.attention, card_of(device), dtype, settings.batching.makes_masks)
    log.info("attention: %s (%s)", attention.name, attention.reason)
    model = load_model(settings.model, device, settings.precision, settings.quantization, attention.name)
    if device == "cpu" and attention.name == "sdpa" and not isinstance(settings.batching, Paged):
        use_grouped_heads(model)  # pages have an attention of their own
    tokenizer = load_tokenizer(settings.model)
    config = model.config.get_text_config()
    loaded = Loaded(
        model=model,
        device=device,
        attention=attention.name,
        context_tokens=settings.batching.capacity(config.max_position_embeddings),
        ends=_ends(model, tokenizer),
        vocabulary=config.vocab_size,
        padding=tokenizer.pad_token_id or 0,
        static_cache=settings.static_cache,
        compiled=settings.compile,
    )
    return Transformers(settings, loaded, tokenizer, attention)


class Transformers:
    """The engine that `load` starts. Text and rendered chats are tokenized as they are, nothing is added."""

    def __init__(
        self, settings: TransformersSettings, loaded: Loaded, tokenizer: Any, attention: Attention
    ) -> None:
        self._settings = settings
        self._threads = settings.threads
        if self._threads is None and loaded.device == "cpu" and is_small(settings.model):
            self._threads = 1
        self._loaded = loaded
        self._tokenizer = tokenizer
        self._work = Work()
        batch = settings.batching.start(loaded, self._work)
        self._inbox: queue.SimpleQueue[Job | _Scoring | None] = queue.SimpleQueue()
        self._waiting: deque[Job] = deque()
        self._open: list[Job] = []
        self._lock = threading.Lock()
        self._ended: EngineFailure | None = None
        self.attention = attention
        self._thread = threading.Thread(
            target=self._serve, args=(batch,), name="transformers-steps", daemon=True
        )
        self._thread.start()

    @property
    def name(self) -> str:
        return f"transformers {importlib.metadata.version('transformers')}, {self._settings.batching.title}"

    @property
    def lacks(self) -> Mapping[Capability, str]:
        return {"schema": _NO_CONSTRAINT, "grammar": _NO_CONSTRAINT, **self._settings.batching.lacks}

    @property
    def context_tokens(self) -> int:
        return self._loaded.context_tokens

    @property
    def statistics(self) -> Statistics:
        """What it has done so far."""
        return self._work.statistics()

    def submit(self, request: Request) -> Ticket:
        """Take a request in; `max_tokens` is cut to what the context leaves beside the prompt.

        Raises HarnessError for an empty prompt, one that fills the context, and what this engine lacks.
        """
        self._check(request.sampling)
        prompt = prompt_ids(self._tokenizer, request.prompt, self.context_tokens, "shorten the prompt")
        self._check_ids(prompt)
        ticket = Ticket(request)
        job = Job(
            ticket=ticket,
            prompt=tuple(prompt),
            limit=min(request.sampling.max_tokens, self.context_tokens - len(prompt)),
            ends=frozenset() if request.sampling.ignore_eos else self._loaded.ends,
            detokenizer=Detokenizer(self._tokenizer.backend_tokenizer),
            tally=self._work,
        )
        self._enqueue(job)
        return ticket

    def tokenize(self, text: str) -> list[int]:
        return encoded(self._tokenizer, text)

    def forward(
        self, token_ids: Sequence[int], wants: frozenset[Capability], rows: Sequence[int] = ()
    ) -> Forward:
        """Runs between two steps. See `forward_pass` for what the values are and what they cost.

        Raises HarnessError for too many tokens, rows outside of them, and what is no part of a pass.
        """
        if wants - OFFERED:
            raise HarnessError(
                f"a forward pass has no {min(wants - OFFERED)}", allowed=", ".join(sorted(OFFERED))
            )
        if not 1 <= len(token_ids) <= self.context_tokens:
            raise HarnessError(f"a pass of {len(token_ids)} tokens", allowed=f"1 to {self.context_tokens}")
        self._check_ids(token_ids)
        if "attention_rows" in wants and (not rows or min(rows) < 0 or max(rows) >= len(token_ids)):
            raise HarnessError("no rows, or rows outside of the tokens", allowed=f"0 to {len(token_ids) - 1}")
        scoring = _Scoring(tuple(token_ids), wants, tuple(rows))
        self._enqueue(scoring)
        return scoring.result.result()

    def close(self) -> None:
        """Fail what is open, end the thread and let go of the model."""
        self._inbox.put(None)
        self._thread.join(_CLOSE_S)
        self._loaded = replace(self._loaded, model=None)

    def _check(self, sampling: Sampling) -> None:
        for want, given in (("schema", sampling.schema is not None), ("grammar", bool(sampling.grammar))):
            if given:
                raise HarnessError(f"no {want} here: {_NO_CONSTRAINT}", next_step="use llama_cpp or vllm")
        if sampling.max_tokens < 1:
            raise HarnessError(f"max_tokens is {sampling.max_tokens}", allowed="1 and more")
        refused = self._settings.batching.refuses(sampling)
        if refused:
            raise HarnessError(refused)

    def _check_ids(self, token_ids: Sequence[int]) -> None:
        most = self._loaded.vocabulary - 1
        if not 0 <= min(token_ids) <= max(token_ids) <= most:
            raise HarnessError("a token id is outside of the vocabulary", allowed=f"0 to {most}")

    def _enqueue(self, item: Job | _Scoring) -> None:
        with self._lock:
            if self._ended is not None:
                raise self._ended
            self._inbox.put(item)

    # below: the steps' thread only

    def _serve(self, batch: Batch) -> None:
        import torch

        if self._threads is not None:
            torch.set_num_threads(self._threads)
        ended = EngineFailure("the engine was closed")
        try:
            with torch.inference_mode():
                while self._take_in(batch):
                    self._step(batch)
        except Exception as error:  # callers wait for this thread, so nothing may end it unsaid
            log.exception("the transformers engine failed")
            ended = EngineFailure(f"the engine failed: {type(error).__name__}: {error}")
        with self._lock:
            self._ended = ended
        self._fail_all(ended)
        batch.close()

    def _take_in(self, batch: Batch) -> bool:
        """Take in what has come, waiting for it when there is nothing to do; False once closed."""
        while not self._open or not self._inbox.empty():
            item = self._inbox.get()
            if item is None:
                return False
            if isinstance(item, Job):
                if self._settings.batching.gathers and not self._open:
                    until_quiet(self._inbox, self._settings.batching.parallel - 1)
                self._open.append(item)
                self._waiting.append(item)
            else:
                self._score(item, batch)
        return True

    def _step(self, batch: Batch) -> None:
        for job in self._open:
            reason = job.ticket.stop_reason
            if reason is not None and not job.is_over:
                job.finish(reason)
        self._waiting = deque(job for job in self._waiting if not job.is_over)
        try:
            batch.join(self._waiting)
            self._work.most_at_once = max(self._work.most_at_once, len(batch.running))
            batch.step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self._shed(batch)
        self._open = [job for job in self._open if not job.is_over]

    def _shed(self, batch: Batch) -> None:
        """After an allocation failed: fail what ran, free it, keep what waits."""
        for job in self._open:
            if not job.is_over and job not in self._waiting:
                job.fail(
                    EngineFailure("not enough memory for the requests that ran together", retryable=True)
                )
        batch.drop()

    def _score(self, item: _Scoring, batch: Batch) -> None:
        try:
            with batch.paused():
                item.result.set_result(
                    forward_pass(
                        self._loaded.model, self._loaded.attention, item.token_ids, item.wants, item.rows
                    )
                )
        except HarnessError as error:
            item.result.set_exception(error)
        except Exception as error:  # the caller waits for the result
            item.result.set_exception(EngineFailure(f"the forward pass failed: {error}"))

    def _fail_all(self, ended: EngineFailure) -> None:
        for job in self._open:
            if not job.is_over:
                job.fail(ended)
        while not self._inbox.empty():
            item = self._inbox.get()
            if isinstance(item, Job):
                item.fail(ended)
            elif item is not None:
                item.result.set_exception(ended)
        self._open, self._waiting = [], deque()


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end a completion, by the generation config and the tokenizer."""
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in [*ids, tokenizer.eos_token_id] if token is not None)
