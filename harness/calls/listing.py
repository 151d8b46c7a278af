"""What a server says of the model it serves, asked once before a run."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any

from harness.engines.accounting import Ledger
from harness.engines.protocol import EngineFailure
from harness.engines.transport import Limits, Transport
from harness.errors import HarnessError


def listed_model(
    url: str, model: str = "", *, key_variable: str = "", limits: Limits | None = None
) -> Mapping[str, Any]:
    """What GET /models says of `model`, or of the first one; {"id": model} where it does not say.

    Raises HarnessError when the key is refused, or when nobody names a model, and EngineFailure when the
    server cannot be reached.
    """
    key = os.environ.get(key_variable, "").strip() if key_variable else ""
    transport = Transport(url, Ledger(), key, key_variable, limits or Limits())
    models = _models(asyncio.run(_ask(transport)))
    for listed in models:
        if listed.get("id") == model or not model:
            return listed
    if not model:
        raise HarnessError("the server lists no model", where=url, next_step="name the model")
    return {"id": model}


async def _ask(transport: Transport) -> bytes:
    try:
        return await transport.ask("GET", "/models", None, _whole)
    except HarnessError as refusal:
        # some servers answer completions only
        if refusal.what.startswith(("answers 404", "answers 405")):
            return b""
        raise
    finally:
        await transport.close()


async def _whole(chunks: AsyncIterator[bytes], _content_type: str) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def _models(body: bytes) -> list[Mapping[str, Any]]:
    if not body:
        return []
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise EngineFailure("the server's list of models is no JSON") from None
    data = document.get("data") if isinstance(document, Mapping) else None
    return [each for each in data if isinstance(each, Mapping)] if isinstance(data, list) else []
