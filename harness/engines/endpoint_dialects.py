"""What the OpenAI-compatible servers take beyond, or short of, OpenAI's own API.

Read in the sources of llama.cpp's server (as in xllamacpp 2026.10) and transformers 5.19, and in the
documentation of vLLM 0.32. A field that a server would ignore or refuse is refused here, before it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.engines.protocol import Capability, Message, Request, Sampling
from harness.errors import HarnessError

_EVERYWHERE: Mapping[Capability, str] = {
    "logits": "no server hands out logits over HTTP",
    "hidden_states": "no server hands out hidden states over HTTP",
    "attention_rows": "no server hands out attention over HTTP",
}
_PLAIN = Sampling()


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one kind of server takes.

    `sampling` are the fields of Sampling that it honours beside `max_tokens` and `temperature`;
    `schema_field` and `grammar_field` say where those go in a text completion; `always` goes into every body.
    `tokenize` is the body of POST /tokenize, with the text under `tokenize_field`.
    """

    name: str
    sampling: frozenset[str]
    greedy_only: bool = False
    named_model: bool = True
    token_ids: bool = True
    chat_length_field: str = "max_tokens"
    schema_field: Literal["", "response_format", "json_schema"] = ""
    grammar_field: Literal["", "grammar", "structured_outputs"] = ""
    tokenize_field: str = ""
    tokenize: Mapping[str, Any] = field(default_factory=dict)
    always: Mapping[str, Any] = field(default_factory=dict)
    lacks: Mapping[Capability, str] = field(default_factory=lambda: _EVERYWHERE)


OPENAI = Dialect(
    name="openai",
    sampling=frozenset({"top_p", "seed", "stop"}),
    chat_length_field="max_completion_tokens",
    lacks={**_EVERYWHERE, "grammar": "OpenAI's API takes no grammar"},
)
LLAMA_CPP = Dialect(
    name="llama_cpp",
    sampling=frozenset({"top_p", "seed", "stop", "top_k", "min_p", "ignore_eos"}),
    schema_field="json_schema",
    grammar_field="grammar",
    tokenize_field="content",
    tokenize={"add_special": False, "parse_special": True},
)
VLLM = Dialect(
    name="vllm",
    sampling=frozenset({"top_p", "seed", "stop", "top_k", "min_p", "ignore_eos"}),
    schema_field="response_format",
    grammar_field="structured_outputs",
    tokenize_field="prompt",
    tokenize={"add_special_tokens": False},
    always={"return_token_ids": True},
)
TRANSFORMERS = Dialect(
    name="transformers",
    sampling=frozenset(),
    greedy_only=True,
    named_model=False,
    token_ids=False,
    lacks={
        **_EVERYWHERE,
        "schema": "transformers serve ignores response_format",
        "grammar": "transformers serve takes no grammar",
        "prefix_cache": "transformers serve has no setting for it and reports no cached tokens",
    },
)
DIALECTS = {dialect.name: dialect for dialect in (OPENAI, LLAMA_CPP, VLLM, TRANSFORMERS)}


def dialect_of(name: str) -> Dialect:
    """The dialect of that name."""
    if name not in DIALECTS:
        raise HarnessError(f"there is no dialect {name!r}", allowed=", ".join(DIALECTS))
    return DIALECTS[name]


def body_of(request: Request, dialect: Dialect) -> tuple[str, dict[str, Any]]:
    """Path and body, all but the model, that ask for this completion; HarnessError for what is not taken."""
    prompt = request.prompt
    if not prompt:
        raise HarnessError("the prompt is empty", allowed="messages, text or token ids")
    body: dict[str, Any] = {}
    messages = [part for part in prompt if isinstance(part, Message)]
    if messages:
        body["messages"] = [{"role": message.role, "content": message.content} for message in messages]
    elif isinstance(prompt, str):
        body["prompt"] = prompt
    elif dialect.token_ids:
        body["prompt"] = list(prompt)
    else:
        raise _not_taken(dialect, "prompt of token ids")
    chat = bool(messages)
    body |= _sampling(request.sampling, dialect) | _constraint(request.sampling, dialect, chat)
    body[dialect.chat_length_field if chat else "max_tokens"] = request.sampling.max_tokens
    return ("/chat/completions" if chat else "/completions"), {**body, **dialect.always}


def _sampling(sampling: Sampling, dialect: Dialect) -> dict[str, Any]:
    if dialect.greedy_only and sampling.temperature != 0:
        raise _not_taken(dialect, "temperature but 0")
    # each is said, for a server's own defaults differ from ours
    fields: dict[str, Any] = {"temperature": sampling.temperature}
    without_effect = () if sampling.temperature else ("seed", "top_p", "top_k", "min_p")
    for name in ("top_p", "top_k", "min_p", "seed", "ignore_eos", "stop"):
        value = getattr(sampling, name)
        if name in dialect.sampling:
            fields[name] = value
        elif value != getattr(_PLAIN, name) and name not in without_effect:
            raise _not_taken(dialect, name)
    if not sampling.stop:
        fields.pop("stop", None)
    return fields


def _constraint(sampling: Sampling, dialect: Dialect, chat: bool) -> dict[str, Any]:
    if sampling.schema is not None and sampling.grammar:
        raise HarnessError("a request has a schema and a grammar", allowed="at most one of them")
    if sampling.grammar:
        if not dialect.grammar_field:
            raise _lacking(dialect, "grammar")
        inside = dialect.grammar_field == "structured_outputs"
        return {dialect.grammar_field: {"grammar": sampling.grammar} if inside else sampling.grammar}
    if sampling.schema is None:
        return {}
    if "schema" in dialect.lacks:
        raise _lacking(dialect, "schema")
    form = {"name": "answer", "strict": True, "schema": dict(sampling.schema)}
    if chat or dialect.schema_field == "response_format":
        return {"response_format": {"type": "json_schema", "json_schema": form}}
    if not dialect.schema_field:
        raise _not_taken(dialect, "schema for a text prompt")
    return {dialect.schema_field: dict(sampling.schema)}


def _lacking(dialect: Dialect, capability: Capability) -> HarnessError:
    return HarnessError(f"this server cannot do {capability}: {dialect.lacks[capability]}")


def _not_taken(dialect: Dialect, what: str) -> HarnessError:
    return HarnessError(
        f"a server that speaks {dialect.name} takes no {what}",
        next_step="leave it out, or name the server's own dialect",
    )
