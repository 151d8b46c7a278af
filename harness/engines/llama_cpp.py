"""llama.cpp as an engine: a GGUF model in a process of its own, its requests batched continuously."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import itertools
import queue
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from harness.engines.llama_process import Line, WorkerProcess
from harness.engines.llama_request import check_sampling, prompt_fields, sampling_fields
from harness.engines.protocol import (
    Capability,
    Completion,
    EngineFailure,
    Forward,
    Piece,
    Request,
    Ticket,
)
from harness.engines.threads import default_threads
from harness.errors import HarnessError

Batching = Literal["continuous", "static"]

_WORKER = "harness.engines.llama_worker"
_MOST_CONTEXT_TOKENS = 4096
# llama.cpp's own limit (LLAMA_MAX_SEQ).
_MOST_SEQUENCES = 256
# How long an answer that needs no computing may take, and how long one step may.
_ANSWER_S = 60.0
_SILENCE_S = 600.0


@dataclass(slots=True)
class _Open:
    """A request on its way: what came so far, and when the worker was told to stop it."""

    ticket: Ticket
    prompt_tokens: int = 0
    texts: list[str] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    told_to_stop: float | None = None


class LlamaCppEngine:
    """One GGUF model, `parallel` requests at a time with `context_tokens` each.

    `batching` is "continuous", or "static" for comparison: a batch joins when the one before has ended.
    `context_tokens` defaults to what the model was trained for, at most 4096. A step runs up to
    `batch_tokens` tokens: one of each running request, the rest prompts. `prefix_cache` keeps the keys and
    values of each sequence's last request and starts a prompt from the longest prefix held. `threads`
    defaults to `threads.default_threads`.

    The end token is not part of a completion. Plain text gets what the model's tokenizer adds (its beginning
    token, if any), a chat only what its template writes. A seed gives the same tokens again whatever else is
    in the batch, as far as rounding goes: llama.cpp adds in another order for another batch, so logits differ
    in their last bits.

    A crash of llama.cpp ends the worker process; open and later requests then fail with `EngineFailure`.
    Raises HarnessError for a file that llama.cpp cannot load and for a context that finds no room.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        parallel: int = 8,
        context_tokens: int | None = None,
        batching: Batching = "continuous",
        prefix_cache: bool = True,
        batch_tokens: int = 512,
        threads: int | None = None,
    ) -> None:
        self._path = Path(path)
        self._parallel = parallel
        self._batching = batching
        self._check(context_tokens, batch_tokens, threads)
        settings = {
            "path": str(self._path.resolve()),
            "parallel": parallel,
            "context_tokens": context_tokens,
            "most_context_tokens": _MOST_CONTEXT_TOKENS,
            "batch_tokens": batch_tokens,
            "admission": batching,
            "prefix_cache": prefix_cache,
            "threads": threads or default_threads(self._path),
        }
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._open: dict[int, _Open] = {}
        self._calls: dict[int, queue.SimpleQueue[Line | EngineFailure]] = {}
        self._dead: str | None = None
        self._heard = time.monotonic()
        self._worker = WorkerProcess(_WORKER, settings)
        try:
            ready = self._greeting(context_tokens)
        except BaseException:
            self._worker.close()
            raise
        self._context_tokens: int = ready["context_tokens"]
        self._vocabulary: int = ready["vocabulary"]
        self._lacks = _lacking(parallel, prefix_cache, ready["keeps_prefixes"])
        self._worker.start(self._hear, self._tick, lambda: bool(self._open), self._die)

    def _check(self, context_tokens: int | None, batch_tokens: int, threads: int | None) -> None:
        if importlib.util.find_spec("llama_cpp") is None:
            raise HarnessError("llama-cpp-python is not installed", next_step="make install EXTRA=models")
        if not self._path.is_file():
            raise HarnessError("there is no such model file", where=str(self._path))
        if not 1 <= self._parallel <= _MOST_SEQUENCES:
            raise HarnessError(f"parallel={self._parallel}", allowed=f"1 to {_MOST_SEQUENCES}")
        if self._batching not in ("continuous", "static"):
            raise HarnessError(f"batching={self._batching!r}", allowed="continuous, static")
        for name, number in (
            ("context_tokens", context_tokens),
            ("batch_tokens", batch_tokens),
            ("threads", threads),
        ):
            if number is not None and number < 1:
                raise HarnessError(f"{name}={number}", allowed="at least 1")

    def _greeting(self, context_tokens: int | None) -> Line:
        line = self._worker.first_line()
        if line is None:
            tokens = context_tokens or f"up to {_MOST_CONTEXT_TOKENS}"
            raise EngineFailure(
                f"{self._path}: {self._worker.last_words()}; it was loading the model with a context of "
                f"{self._parallel} x {tokens} tokens (parallel x context_tokens)"
            )
        if "error" in line:
            raise HarnessError(**line["error"])
        return line

    # what the engine is

    @property
    def name(self) -> str:
        """Engine, its batching and its version, as reports print it."""
        how = f"{self._batching} batching of {self._parallel}" if self._parallel > 1 else "one at a time"
        return f"llama.cpp, {how} (llama-cpp-python {importlib.metadata.version('llama-cpp-python')})"

    @property
    def lacks(self) -> Mapping[Capability, str]:
        """The capabilities this engine has not, each with the reason."""
        return self._lacks

    @property
    def context_tokens(self) -> int:
        """The most tokens that a prompt and its completion may have together."""
        return self._context_tokens

    @property
    def worker_pid(self) -> int:
        """Id of the process that holds the model: whose memory to look at."""
        return self._worker.pid

    @property
    def failure(self) -> str | None:
        """Why it serves no more; None while it does."""
        return self._dead

    # what it does

    def submit(self, request: Request) -> Ticket:
        """Take a request in.

        HarnessError for one that can never be served (too long, a broken schema); EngineFailure when the
        worker is dead.
        """
        check_sampling(request.sampling)
        ticket = Ticket(request)
        number = next(self._numbers)
        with self._lock:
            self._refuse_when_dead()
            self._open[number] = _Open(ticket)
        try:
            line = {"prompt": prompt_fields(request), "sampling": sampling_fields(request.sampling)}
            self._call(number, {"do": "submit", **line}, _ANSWER_S)
        except BaseException:
            self._open.pop(number, None)
            raise
        return ticket

    def tokenize(self, text: str) -> list[int]:
        """Token ids of the text, special tokens recognised, nothing added."""
        answer = self._call(next(self._numbers), {"do": "tokenize", "text": text}, _ANSWER_S)
        tokens: list[int] = answer["tokens"]
        return tokens

    def forward(
        self, token_ids: Sequence[int], wants: frozenset[Capability], rows: Sequence[int] = ()
    ) -> Forward:
        """Teacher-forced logits [tokens, vocabulary], as soon as a sequence is free.

        HarnessError for anything else that is wanted, and for tokens that do not fit.
        """
        for capability in sorted(wants - {"logits"}):
            reason = self._lacks.get(capability, "nothing that one pass over tokens returns")
            raise HarnessError(
                f"llama.cpp gives no {capability}: {reason}", where="forward", allowed="logits"
            )
        if not 1 <= len(token_ids) <= self._context_tokens:
            raise HarnessError(
                f"{len(token_ids)} tokens", where="forward", allowed=f"1 to {self._context_tokens} tokens"
            )
        outside = [token for token in token_ids if not 0 <= token < self._vocabulary]
        if outside:
            raise HarnessError(
                f"there is no token {outside[0]}", where="forward", allowed=f"0 to {self._vocabulary - 1}"
            )
        if not wants:
            return Forward(len(token_ids))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "logits.npy"
            line = {"do": "forward", "tokens": [int(token) for token in token_ids], "path": str(path)}
            self._call(next(self._numbers), line, None)
            return Forward(len(token_ids), logits=np.load(path, allow_pickle=False))

    def close(self) -> None:
        """End the worker; open tickets fail. May be called twice."""
        with self._lock:
            if self._dead is None:
                self._dead = "the engine was closed"
        self._worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # lines to the worker and back

    def _refuse_when_dead(self) -> None:
        if self._dead is not None:
            raise EngineFailure(self._dead)

    def _call(self, number: int, line: Line, patience_s: float | None) -> Line:
        answers: queue.SimpleQueue[Line | EngineFailure] = queue.SimpleQueue()
        with self._lock:
            self._refuse_when_dead()
            self._calls[number] = answers
        self._worker.send({**line, "call": number})
        try:
            answer = answers.get(timeout=patience_s)
        except queue.Empty:
            raise EngineFailure(f"llama.cpp did not answer within {patience_s:g} s", retryable=True) from None
        finally:
            self._calls.pop(number, None)
        if isinstance(answer, EngineFailure):
            raise answer
        if "error" in answer:
            raise HarnessError(**answer["error"])
        return answer

    def _hear(self, line: Line) -> None:
        """The listening thread: one line of the worker."""
        self._heard = time.monotonic()
        if "call" in line:
            # Set here: a short request may end before the thread that submitted it runs again.
            if "prompt_tokens" in line and (entry := self._open.get(line["call"])) is not None:
                entry.prompt_tokens = line["prompt_tokens"]
            if (answers := self._calls.get(line["call"])) is not None:
                answers.put(line)
            return
        for number, text, token in line["pieces"]:
            entry = self._open.get(number)
            if entry is not None:
                ids = () if token is None else (token,)
                entry.texts.append(text)
                entry.token_ids.extend(ids)
                entry.ticket.put(Piece(text, ids))
        for number, reason, cached in line["ends"]:
            entry = self._open.pop(number, None)
            if entry is not None:
                entry.ticket.finish(_completion(entry, reason, cached))
        for number, why in line["failures"]:
            entry = self._open.pop(number, None)
            if entry is not None:
                entry.ticket.fail(EngineFailure(why))

    def _tick(self) -> None:
        """The listening thread: tell the worker which requests to stop; kill it when it no longer listens."""
        now = time.monotonic()
        with self._lock:
            entries = list(self._open.items())
        for number, entry in entries:
            if entry.told_to_stop is None:
                reason = entry.ticket.stop_reason
                # Until it has acknowledged the request, the worker may not know whom to stop.
                if reason is not None and entry.prompt_tokens:
                    self._worker.send({"do": "stop", "call": number, "reason": reason})
                    entry.told_to_stop = now
            elif now - max(entry.told_to_stop, self._heard) > _SILENCE_S:
                self._dead = self._dead or f"llama.cpp was silent for {_SILENCE_S:g} s and was killed"
                self._worker.kill()

    def _die(self, why: str) -> None:
        """The listening thread: the worker is gone."""
        with self._lock:
            self._dead = self._dead or why
            entries, calls = list(self._open.values()), list(self._calls.values())
            self._open.clear()
        for entry in entries:
            entry.ticket.fail(EngineFailure(self._dead))
        for answers in calls:
            answers.put(EngineFailure(self._dead))


def _lacking(parallel: int, prefix_cache: bool, keeps_prefixes: bool) -> dict[Capability, str]:
    lacks: dict[Capability, str] = {
        "hidden_states": "llama.cpp hands out the last layer only",
        "attention_rows": "llama.cpp never writes attention weights to memory",
    }
    if parallel == 1:
        lacks["parallel"] = "it was opened with parallel=1"
    if not prefix_cache:
        lacks["prefix_cache"] = "it was opened with prefix_cache=False"
    elif not keeps_prefixes:
        lacks["prefix_cache"] = "this architecture's memory cannot be cut to a prefix"
    return lacks


def _completion(entry: _Open, reason: Any, cached: int) -> Completion:
    return Completion(
        text="".join(entry.texts),
        token_ids=tuple(entry.token_ids),
        prompt_tokens=entry.prompt_tokens,
        completion_tokens=len(entry.token_ids),
        finish_reason=reason,
        timings=entry.ticket.timings(),
        cached_tokens=cached,
    )
