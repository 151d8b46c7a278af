"""The calls into llama.cpp, by llama-cpp-python's low-level API. Only the worker process imports this."""

from __future__ import annotations

import ctypes
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as native
import numpy as np
from numpy.typing import NDArray

from harness.engines.llama_batch import Logits, Run
from harness.errors import HarnessError

_LOG_ERROR = 4
_ALL_F32 = 0
_GGML_TYPE_F32 = 0
# A pass that wants the logits of every token wants this many numbers at most at a time.
_MOST_LOGITS = 1 << 24


class Log:
    """llama.cpp's own log: the last lines, and the first error among them."""

    def __init__(self) -> None:
        self._errors: deque[str] = deque(maxlen=50)
        # Kept: llama.cpp calls it as long as the process lives.
        self._callback = native.llama_log_callback(self._take)
        native.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _take(self, level: int, text: bytes, _: Any) -> None:
        if level == _LOG_ERROR:
            self._errors.append(text.decode("utf-8", "replace").strip())

    def clear(self) -> None:
        """Forget what was logged so far."""
        self._errors.clear()

    @property
    def first_error(self) -> str:
        """The first error since `clear`, without the name of the function that logged it."""
        line = self._errors[0] if self._errors else "it says nothing"
        return line.removeprefix("llama_model_load: error loading model: ")


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model and what is known about it without running it."""

    path: Path
    handle: Any
    vocab: Any
    vocabulary: int
    trained_context: int
    is_f32: bool
    ends: frozenset[int]
    keeps_prefixes: bool

    def tokenize(self, text: str, *, add_special: bool) -> list[int]:
        """Token ids, special tokens recognised; `add_special` adds what the model wants around a text."""
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            raise HarnessError(f"not a Unicode text: {error.reason}", where="prompt") from error
        room = len(data) + 2
        ids = (native.llama_token * room)()
        n = native.llama_tokenize(self.vocab, data, len(data), ids, room, add_special, True)
        if n < 0:
            raise HarnessError(f"a text of {len(data)} bytes cannot be tokenized", where=str(self.path))
        return list(ids[:n])

    def piece(self, token: int) -> bytes:
        """The bytes of a token; none of a control token."""
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            n = native.llama_token_to_piece(self.vocab, token, buffer, room, 0, False)
            if n >= 0:
                return buffer.raw[:n]
            room = -n

    def text_of(self, token: int) -> str:
        """How the vocabulary writes a token; empty for none (-1)."""
        return (
            str((native.llama_vocab_get_text(self.vocab, token) or b"").decode("utf-8", "replace"))
            if token >= 0
            else ""
        )

    def chat_template(self) -> str | None:
        """The model's own chat template, a Jinja text from an untrusted file."""
        found = native.llama_model_chat_template(self.handle, None)
        return found.decode("utf-8", "replace") if found else None

    @property
    def bos(self) -> str:
        """How the beginning of a text is written."""
        return self.text_of(native.llama_vocab_bos(self.vocab))

    @property
    def eos(self) -> str:
        """How the end of a text is written."""
        return self.text_of(native.llama_vocab_eos(self.vocab))


def load_model(path: Path, log: Log) -> Model:
    """Load a GGUF file; HarnessError quoting llama.cpp when it cannot."""
    native.llama_backend_init()
    params = native.llama_model_default_params()
    # Repacked weights use AMX, which traps (SIGILL) on machines that only advertise it.
    params.use_extra_bufts = False
    log.clear()
    handle = native.llama_model_load_from_file(os.fsencode(path), params)
    if not handle:
        raise HarnessError(f"llama.cpp cannot load it: {log.first_error}", where=str(path))
    if native.llama_model_has_encoder(handle) or not native.llama_model_has_decoder(handle):
        raise HarnessError("not a decoder-only language model", where=str(path))
    vocab = native.llama_model_get_vocab(handle)
    vocabulary = native.llama_vocab_n_tokens(vocab)
    return Model(
        path=path,
        handle=handle,
        vocab=vocab,
        vocabulary=vocabulary,
        trained_context=native.llama_model_n_ctx_train(handle),
        is_f32=native.llama_model_ftype(handle) == _ALL_F32,
        ends=frozenset(t for t in range(vocabulary) if native.llama_vocab_is_eog(vocab, t)),
        keeps_prefixes=not (
            native.llama_model_is_recurrent(handle)
            or native.llama_model_is_hybrid(handle)
            or native.llama_model_n_swa(handle) > 0
        ),
    )


class Context:
    """A context of `parallel` sequences with `context_tokens` each: the scheduler's `Compute`.

    With `shares_prefixes` the sequences have one buffer: a common prefix is held once, and every query looks
    at all sequences' keys, most of them masked. Otherwise each has its own, which made 16 requests 1.4 to 1.5
    times as fast (weights of 6 MB). Keys and values are f16. An f32 model is a reference: its keys and values
    are f32, without flash attention, which would round them.
    """

    def __init__(
        self,
        model: Model,
        log: Log,
        *,
        parallel: int,
        context_tokens: int,
        batch_tokens: int,
        threads: int,
        shares_prefixes: bool,
    ) -> None:
        self._model = model
        self._rows = max(1, min(batch_tokens, _MOST_LOGITS // model.vocabulary))
        params = native.llama_context_default_params()
        params.n_ctx = parallel * context_tokens
        params.n_batch = params.n_ubatch = batch_tokens
        params.n_seq_max = parallel
        params.n_outputs_max = max(parallel, self._rows)
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = shares_prefixes
        params.no_perf = True
        if model.is_f32:
            params.type_k = params.type_v = _GGML_TYPE_F32
            params.flash_attn_type = native.LLAMA_FLASH_ATTN_TYPE_DISABLED
        log.clear()
        self._handle = native.llama_init_from_model(model.handle, params)
        if not self._handle:
            raise HarnessError(
                f"no room for a context of {parallel} x {context_tokens} tokens (parallel x context_tokens): "
                f"{log.first_error}",
                where=str(model.path),
                next_step="lower parallel or context_tokens",
            )
        self._memory = native.llama_get_memory(self._handle)
        # The rows of one array: tokens, positions, sequences.
        self._columns = np.zeros((3, batch_tokens), np.int32)
        tokens, positions, sequences = self._columns
        self._outputs = np.zeros(batch_tokens, np.int8)
        self._logits: tuple[int, Logits] = 0, np.empty((0, model.vocabulary), np.float32)
        self._counts = np.ones(batch_tokens, np.int32)
        # llama_batch wants a pointer per token to its sequences; each token has one.
        self._pointers = sequences.ctypes.data + 4 * np.arange(batch_tokens, dtype=np.uint64)
        self._batch = native.llama_batch(
            0,
            _pointer(tokens, ctypes.c_int32),
            None,
            _pointer(positions, ctypes.c_int32),
            _pointer(self._counts, ctypes.c_int32),
            _pointer(self._pointers, ctypes.POINTER(ctypes.c_int32)),
            _pointer(self._outputs, ctypes.c_int8),
        )

    def decode(self, runs: Sequence[Run]) -> Logits:
        """See `Compute`; RuntimeError when llama.cpp cannot."""
        tokens: list[int] = []
        positions: list[int] = []
        sequences: list[int] = []
        last: list[int] = []
        for run in runs:
            n = len(run.tokens)
            tokens.extend(run.tokens)
            positions.extend(range(run.position, run.position + n))
            sequences.extend([run.sequence] * n)
            if run.wants_logits:
                last.append(len(tokens) - 1)
        return self._decode(tokens, positions, sequences, last)

    def every_logit(self, sequence: int, token_ids: Sequence[int]) -> Logits:
        """Logits [tokens, vocabulary] of a teacher-forced pass on an empty sequence, left empty again."""
        parts = []
        for start in range(0, len(token_ids), self._rows):
            part = token_ids[start : start + self._rows]
            places = range(start, start + len(part))
            parts.append(self._decode(part, places, [sequence] * len(part), range(len(part))).copy())
        self.forget(sequence, 0)
        return np.concatenate(parts)

    def _decode(
        self,
        tokens: Sequence[int],
        positions: Sequence[int],
        sequences: Sequence[int],
        wanted: Sequence[int],
    ) -> Logits:
        """Run one batch; logits [wanted, vocabulary] of the tokens at these places of it, which ascend."""
        n = len(tokens)
        self._columns[:, :n] = tokens, positions, sequences
        self._outputs[:n] = 0
        self._outputs[wanted] = 1
        self._batch.n_tokens = n
        code = native.llama_decode(self._handle, self._batch)
        if code:
            raise RuntimeError(f"llama_decode of {n} tokens failed with code {code}")
        return self._view(len(wanted))

    def _view(self, rows: int) -> Logits:
        """llama.cpp's own buffer of logits, as an array that is made anew only when the buffer moved."""
        address, view = self._logits
        if not rows:
            return view[:0]
        pointer = native.llama_get_logits(self._handle)
        found = ctypes.addressof(pointer.contents)
        if found != address or len(view) < rows:
            view = np.ctypeslib.as_array(pointer, (rows, self._model.vocabulary))
            self._logits = found, view
        return view[:rows]

    def forget(self, sequence: int, position: int) -> bool:
        """See `Compute`."""
        return bool(native.llama_memory_seq_rm(self._memory, sequence, position, -1))

    def copy(self, source: int, target: int, tokens: int) -> None:
        """See `Compute`."""
        native.llama_memory_seq_cp(self._memory, source, target, 0, tokens)


def _pointer(array: NDArray[Any], kind: Any) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(kind))
