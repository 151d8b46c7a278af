"""A request on its way to the llama.cpp worker: checked, and as plain fields."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from harness.engines.protocol import Message, Request, Sampling
from harness.errors import HarnessError


def prompt_fields(request: Request) -> dict[str, Any]:
    """The prompt as it crosses the pipe: its text, its messages or its tokens."""
    if isinstance(request.prompt, str):
        return {"text": request.prompt}
    messages = [asdict(part) for part in request.prompt if isinstance(part, Message)]
    if messages:
        return {"messages": messages}
    # int: token ids often come from an array
    return {"tokens": [int(token) for token in request.prompt if not isinstance(token, Message)]}


def sampling_fields(sampling: Sampling) -> dict[str, Any]:
    """The sampling as it crosses the pipe; HarnessError for a schema that is not JSON."""
    plain = {entry.name: getattr(sampling, entry.name) for entry in fields(sampling)}
    try:
        # A schema may be any mapping, also inside.
        plain["schema"] = json.loads(json.dumps(sampling.schema, default=dict))
    except (TypeError, ValueError) as error:
        raise HarnessError(f"the schema is not JSON: {error}", where="schema") from error
    return plain


def check_sampling(sampling: Sampling) -> None:
    """HarnessError for settings that mean nothing, or exclude each other."""
    wrong = [
        (f"max_tokens={sampling.max_tokens}", "at least 1", sampling.max_tokens >= 1),
        (f"temperature={sampling.temperature:g}", "0 or more", sampling.temperature >= 0),
        (f"top_p={sampling.top_p:g}", "above 0, up to 1", 0 < sampling.top_p <= 1),
        (f"top_k={sampling.top_k}", "0 or more", sampling.top_k >= 0),
        (f"min_p={sampling.min_p:g}", "0 to 1", 0 <= sampling.min_p <= 1),
        ("an empty stop string", "at least one character each", all(sampling.stop)),
    ]
    for what, allowed, is_right in wrong:
        if not is_right:
            raise HarnessError(what, where="sampling", allowed=allowed)
    if sampling.schema is not None and sampling.grammar:
        raise HarnessError("both a schema and a grammar", where="sampling", allowed="at most one of them")
    if sampling.ignore_eos and (sampling.schema is not None or sampling.grammar):
        raise HarnessError(
            "ignore_eos with a schema or grammar, which says itself where the text ends",
            where="sampling",
            allowed="one or the other",
        )
