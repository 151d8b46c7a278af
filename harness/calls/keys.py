"""What makes two calls the same call: everything that decides an answer, as one SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.calls.identity import Identity
from harness.engines.protocol import Message, Request, Sampling


def request_key(identity: Identity, request: Request) -> str:
    """SHA-256 of who is asked and what: messages, text or token ids, and every field of the sampling.

    The time-out is left out: it decides whether there is an answer, never which.
    """
    document = [identity.document(), _prompt(request.prompt), _sampling(request.sampling)]
    # no sorted keys: the order of a schema's properties is the order in which the answer has them
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()


def answer_key(key: str, request: Request, occurrence: int) -> str:
    """Under what an answer may be used again: a drawn one (temperature over 0) only for the same draw."""
    if request.sampling.temperature == 0:
        return key
    return hashlib.sha256(f"{key} {occurrence}".encode()).hexdigest()


def _prompt(prompt: tuple[Message, ...] | str | tuple[int, ...]) -> list[Any]:
    if isinstance(prompt, str):
        return ["text", prompt]
    messages = [[part.role, part.content] for part in prompt if isinstance(part, Message)]
    return ["messages", messages] if messages else ["tokens", list(prompt)]


def _sampling(sampling: Sampling) -> list[Any]:
    # numbers by their type, for equal requests may say 0 and 0.0
    return [
        int(sampling.max_tokens), float(sampling.temperature), float(sampling.top_p), int(sampling.top_k),
        float(sampling.min_p), int(sampling.seed), list(sampling.stop), _plain(sampling.schema),
        sampling.grammar, bool(sampling.ignore_eos),
    ]  # fmt: skip


def _plain(value: Any) -> Any:
    """JSON's own types for any mapping and sequence."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    return value
