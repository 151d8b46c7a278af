"""What a request asks for, in llama.cpp's terms: a chat by the model's template, a schema as a grammar."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

import jsonschema
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from harness.errors import HarnessError

# JSON forbids control characters in strings; llama-cpp-python's own rule lets them in.
_CHAR_RULE = (
    r'char ::= [^"\\\x7F\x00-\x1F] | "\\" '
    r'(["\\/bfnrt] | "u" [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F])'
)
_NOT_IN_A_GRAMMAR = frozenset(
    "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf uniqueItems contains minContains "
    "maxContains patternProperties propertyNames minProperties maxProperties dependentRequired "
    "dependentSchemas not if unevaluatedProperties unevaluatedItems".split()
)
# Keywords whose value is a mapping from names to schemas, and those whose value is no schema.
_NAMED = frozenset({"properties", "$defs", "definitions"})
_NO_SCHEMA = frozenset({"enum", "const", "default", "examples", "required"})


def render_chat(template: str, messages: Sequence[Mapping[str, str]], *, bos: str, eos: str) -> str:
    """The chat as the model reads it, up to where its answer begins.

    The template comes from the model file, so it runs in a sandbox, and without the clock: the same chat is
    the same text on every day. HarnessError when it refuses the messages or is broken.
    """
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    try:
        return environment.from_string(template).render(
            messages=list(messages), add_generation_prompt=True, bos_token=bos, eos_token=eos, tools=None
        )
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise HarnessError(f"the model's chat template fails: {error}", where="chat template") from error


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(why: str) -> NoReturn:
    raise TemplateError(why)


def schema_grammar(schema: Mapping[str, Any]) -> str:
    """A GBNF grammar of the JSON texts that fit the schema.

    HarnessError for what is no schema, and for one with a keyword that a grammar cannot hold to.
    llama.cpp takes malformed UTF-8 for one character, so a model that writes it may exceed a `maxLength`.
    """
    from llama_cpp.llama_grammar import json_schema_to_gbnf

    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise HarnessError(f"not a JSON schema: {error.message}", where=_path(error)) from error
    unable = sorted(_keywords(schema) & _NOT_IN_A_GRAMMAR)
    if unable:
        raise HarnessError(
            f"llama.cpp's grammars cannot hold to {', '.join(unable)}",
            where="schema",
            next_step="leave it out of the schema and check the answer yourself",
        )
    try:
        grammar = json_schema_to_gbnf(json.dumps(schema))
    except (AssertionError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise HarnessError(f"no grammar can be made of it: {error}", where="schema") from error
    lines = (_CHAR_RULE if line.startswith("char ::= ") else line for line in grammar.splitlines())
    return "\n".join(lines)


def _path(error: jsonschema.SchemaError) -> str:
    return "/".join(["schema", *map(str, error.path)])


def _keywords(schema: Any) -> frozenset[str]:
    return frozenset(_walk(schema))


def _walk(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for part in schema:
            yield from _walk(part)
    if not isinstance(schema, Mapping):
        return
    for keyword, value in schema.items():
        yield keyword
        if keyword in _NAMED and isinstance(value, Mapping):
            for part in value.values():
                yield from _walk(part)
        elif keyword not in _NO_SCHEMA:
            yield from _walk(value)
