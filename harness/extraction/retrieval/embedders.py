"""Embeddings from what is at hand: an engine's hidden states, or a server's /v1/embeddings."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np

from harness.engines.accounting import Ledger
from harness.engines.endpoint import server_url
from harness.engines.protocol import Engine, EngineFailure
from harness.engines.transport import BrokenAnswerError, Limits, Transport
from harness.errors import HarnessError
from harness.extraction.retrieval.inverted import Floats
from harness.extraction.retrieval.retrievers import Embed

WINDOW_TOKENS = 2048
BATCH = 32


def embedder(engine: Engine, window_tokens: int = WINDOW_TOKENS) -> Embed:
    """The mean of the last hidden states of a text's tokens, by the engine's forward pass.

    A text longer than `window_tokens` or the context is read in windows, so its end counts as much as its
    beginning. A text without a token has zeros. Raises HarnessError when the engine has no hidden states.
    """
    if "hidden_states" in engine.lacks:
        raise HarnessError(
            f"gives no hidden states: {engine.lacks['hidden_states']}",
            where=engine.name,
            next_step="load the model with the transformers engine, or retrieve by bm25",
        )
    window = max(1, min(window_tokens, engine.context_tokens))

    def embed(texts: Sequence[str]) -> Floats:
        rows = [_mean_state(engine, engine.tokenize(text), window) for text in texts]
        size = next((row.size for row in rows if row is not None), 1)
        return np.array([np.zeros(size) if row is None else row for row in rows])

    return embed


def _mean_state(engine: Engine, token_ids: Sequence[int], window: int) -> Floats | None:
    sums = [
        np.asarray(
            engine.forward(token_ids[start : start + window], frozenset({"hidden_states"})).hidden_states[-1],
            dtype=np.float64,
        ).sum(axis=0)
        for start in range(0, len(token_ids), window)
    ]
    return np.asarray(np.sum(sums, axis=0) / len(token_ids)) if sums else None


def endpoint_embedder(
    base_url: str,
    model: str,
    *,
    key_variable: str = "",
    batch: int = BATCH,
    limits: Limits | None = None,
    ledger: Ledger | None = None,
) -> Embed:
    """The embeddings of an OpenAI-compatible server, asked for `batch` texts at a time.

    A key is sent only when `key_variable` names its environment variable. What goes over the wire is counted
    in `ledger`. Raises HarnessError for a URL that is none or a request that the server refuses,
    EngineFailure for a server that fails or answers something else.
    """
    url = server_url(base_url)
    key = os.environ.get(key_variable, "").strip() if key_variable else ""
    if key_variable and not key:
        raise HarnessError(f"the environment variable {key_variable} is not set", where=url)

    async def all_rows(texts: Sequence[str]) -> list[list[float]]:
        # a client belongs to one event loop, and each call has its own
        transport = Transport(url, ledger or Ledger(), key, key_variable, limits or Limits())
        try:
            rows: list[list[float]] = []
            for start in range(0, len(texts), batch):
                some = list(texts[start : start + batch])
                body = {"model": model, "input": some, "encoding_format": "float"}
                answer = await transport.ask("POST", "/embeddings", body, _document)
                rows += _rows(answer, len(some), url)
            return rows
        finally:
            await transport.close()

    def embed(texts: Sequence[str]) -> Floats:
        rows = asyncio.run(all_rows(texts))
        if len({len(row) for row in rows}) > 1:
            raise EngineFailure(f"{url}: answers with embeddings of different lengths")
        return np.array(rows, dtype=np.float64)

    return embed


async def _document(chunks: AsyncIterator[bytes], _content_type: str) -> Any:
    body = b"".join([chunk async for chunk in chunks])
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BrokenAnswerError("the embeddings are no JSON") from None


def _rows(answer: Any, count: int, url: str) -> list[list[float]]:
    """The rows in the order of their texts: a server may list them in another."""
    listed = answer.get("data") if isinstance(answer, Mapping) else None
    entries = [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    rows = {str(each.get("index")): each.get("embedding") for each in entries}
    ordered = [rows.get(str(number)) for number in range(count)]
    if len(entries) != count or not all(_is_row(row) for row in ordered):
        raise EngineFailure(f"{url}: answers without one embedding for each of {count} texts")
    return [[float(number) for number in row] for row in ordered if row is not None]


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, list)
        and bool(row)
        and all(isinstance(number, int | float) and not isinstance(number, bool) for number in row)
    )
