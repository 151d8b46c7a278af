"""How a request's next token is chosen from logits, by llama.cpp's samplers. Only the worker imports this."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import llama_cpp.llama_cpp as native
import numpy as np

from harness.engines.llama_batch import Logits
from harness.engines.llama_native import Log, Model
from harness.engines.protocol import Sampling
from harness.errors import HarnessError

# llama.cpp draws a random seed for the largest 32-bit number.
_SEEDS = 2**32 - 1

_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Chooser:
    """Picks tokens for one request: the grammar, then temperature, top-k, top-p, min-p, and the seed's draw.

    The order is that of transformers. Without a temperature the best token that fits the grammar is taken.
    """

    def __init__(self, model: Model, sampling: Sampling, grammar: Any | None) -> None:
        self._grammar = grammar
        self._chain = _chain(sampling) if sampling.temperature > 0 else None
        self._candidates = np.zeros(model.vocabulary, _CANDIDATE)
        self._ids = np.arange(model.vocabulary, dtype=np.int32)
        self._data: Any = self._candidates.ctypes.data_as(native.llama_token_data_p)
        self._array = native.llama_token_data_array(self._data, 0, -1, False)

    def __call__(self, logits: Logits) -> int | None:
        """The next token, remembered; None when the grammar allows none."""
        token = self._guess(logits) if self._chain is None else None
        if token is None:
            token = self._full(logits)
        if token is not None:
            for sampler in (self._grammar, self._chain):
                if sampler is not None:
                    native.llama_sampler_accept(sampler, token)
        return token

    def _guess(self, logits: Logits) -> int | None:
        """The best token when it fits: checking one against the grammar is far quicker than all of them."""
        best = int(logits.argmax())
        self._candidates[0] = (best, 1.0, 0.0)
        self._fill(1)
        return best if self._candidates["logit"][0] > -np.inf else None

    def _full(self, logits: Logits) -> int | None:
        self._candidates["id"] = self._ids
        self._candidates["logit"] = logits
        self._fill(len(logits))
        if not self._candidates["logit"].max() > -np.inf:
            return None
        if self._chain is None:
            return int(self._candidates["id"][self._candidates["logit"].argmax()])
        native.llama_sampler_apply(self._chain, ctypes.byref(self._array))
        return int(self._array.data[self._array.selected].id)

    def _fill(self, size: int) -> None:
        # A chain may leave its own buffer here.
        self._array.data, self._array.size, self._array.selected = self._data, size, -1
        self._array.sorted = False
        if self._grammar is not None:
            native.llama_sampler_apply(self._grammar, ctypes.byref(self._array))

    def __del__(self) -> None:
        for sampler in (self._grammar, self._chain):
            if sampler is not None:
                native.llama_sampler_free(sampler)


def _chain(sampling: Sampling) -> Any:
    chain = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
    parts = [native.llama_sampler_init_temp(sampling.temperature)]
    if sampling.top_k:
        parts.append(native.llama_sampler_init_top_k(sampling.top_k))
    if sampling.top_p < 1:
        parts.append(native.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p:
        parts.append(native.llama_sampler_init_min_p(sampling.min_p, 1))
    for part in [*parts, native.llama_sampler_init_dist(sampling.seed % _SEEDS)]:
        native.llama_sampler_chain_add(chain, part)
    return chain


def grammar_sampler(model: Model, grammar: str, log: Log, quoted: Callable[[], str]) -> Any:
    """A sampler that allows only what a GBNF grammar allows; HarnessError for one that cannot be parsed.

    `quoted` gives what llama.cpp printed meanwhile.
    """
    log.clear()
    sampler = native.llama_sampler_init_grammar(model.vocab, grammar.encode(), b"root")
    if not sampler:
        raise HarnessError(f"llama.cpp refuses the grammar: {quoted() or log.first_error}", where="grammar")
    return sampler
