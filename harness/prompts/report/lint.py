"""Prompt lint: what optimized instructions are known to go wrong with, found without asking a model. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.prompts.examples import EntityType, Example
from harness.prompts.offline.nouns import named
from harness.prompts.program import NAMES_BY_TYPE, WRAPPER, Program
from harness.prompts.report.findings import Finding, excerpt, place
from harness.prompts.report.leaks import leaks

_TAGS = "text|txt|plaintext|markdown|md|json|yaml|xml|html|python"
_LEADING_TAG = re.compile(rf"\s*({_TAGS})(?:[ \t]*\n|[ \t]+(?=[A-Z#*\"]))")
_FENCE = re.compile(r"```")
_LEFTOVER = re.compile(r"<\|[^|\s]*\|>|</?(?:current_instruction|examples)>|\[\[ ## \w+ ## \]\]")
_PREAMBLE = re.compile(
    r"\s*(?:(?:sure|certainly|of course)\b|here(?:'s| is) (?:the|an?|your) "
    r"(?:new|improved|revised|updated|better) (?:instruction|prompt))",
    re.IGNORECASE,
)
_OTHER_FORMATS = re.compile(
    r"\b(?:YAML|XML|CSV|TOML|comma[- ]separated|bullet(?:ed)? (?:list|points)|bullets|numbered list|"
    r"markdown table|plain text|one (?:entity |name )?per line|prose)\b",
    re.IGNORECASE,
)
_NO_JSON = re.compile(r"\b(?:no|not|never|without|avoid)\b[^.\n]{0,30}\bJSON\b", re.IGNORECASE)
_NEGATED = re.compile(r"\b(?:not|no|never|without|avoid|instead of|rather than|don['’]t)\b[^.\n]*$", re.I)
_KEY = re.compile(r"[{,]\s*[\"']([^\"'\n]{1,60})[\"']\s*:")
_ID = re.compile(r"\b(?:entity_type_id|type[ _]ids?|ids?)\b[\s\"'`:=]*(\d+)", re.IGNORECASE)
_TYPED_KEYS = frozenset(
    {"name", "entity_type_id", WRAPPER, "entity_type_name", "entity_type_description", "id"}
)
# Half the window is the instruction: the other half has to hold the text and the answer.
_LARGE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Length:
    """Tokens of the instruction and of the model's context; `beside` is what else has to fit: the longest
    text with the form's own words, and the answer."""

    instruction: int
    context: int
    beside: int = 0


def lint(
    program: Program,
    types: Sequence[EntityType],
    training: Sequence[Example] = (),
    *,
    seed_instruction: str = "",
    length: Length | None = None,
) -> list[Finding]:
    """Everything that is wrong with a program's instruction, errors first, then in the order of the text."""
    text = program.instruction
    if not re.search(r"\w", text):
        return [
            Finding(
                "error",
                "empty",
                place(text, 0),
                "the instruction says nothing",
                "optimize again, or write one",
            )
        ]
    found = [
        *_debris(text),
        *_types(program, types),
        *(_ids(text, types) if program.format != NAMES_BY_TYPE else ()),
        *_format(program, types),
        *leaks(text, training, types, seed_instruction),
        *(_length(length) if length is not None else ()),
    ]
    return sorted(found, key=lambda finding: finding.severity != "error")


def _debris(text: str) -> Iterator[Finding]:
    if tag := _LEADING_TAG.match(text):
        yield Finding(
            "warning", "code fence", place(text, tag.start(1)),
            f"it begins with {excerpt(tag.group(1))}, as a code fence names its language", "remove that word",
        )  # fmt: skip
    fences = list(_FENCE.finditer(text))
    stripped = text.strip()
    if len(fences) % 2 or (fences and stripped.startswith("```") and stripped.endswith("```")):
        yield Finding(
            "warning", "code fence", place(text, fences[0].start()),
            "a code fence is left of the answer it came in", "remove the line of backticks",
        )  # fmt: skip
    for left in _LEFTOVER.finditer(text):
        yield Finding(
            "error", "leftover markup", place(text, left.start()),
            f"{excerpt(left.group())} belongs to a chat template or a reflection's question", "remove it",
        )  # fmt: skip
    if preamble := _PREAMBLE.match(text):
        yield Finding(
            "warning", "preamble", place(text, 0),
            f"{excerpt(preamble.group())} speaks to who asked for the instruction", "remove that sentence",
        )  # fmt: skip


def _types(program: Program, types: Sequence[EntityType]) -> Iterator[Finding]:
    """Types that the instruction leaves out. With the text alone beside it, nothing else says them."""
    there = named(program.instruction, [each.name for each in types])
    by_id = {int(match.group(1)) for match in _ID.finditer(program.instruction)}
    missing = [each for each in types if each.name not in there and each.id not in by_id]
    alone = program.format == NAMES_BY_TYPE
    if not missing or (len(missing) == len(types) and not alone):
        return
    names = ", ".join(each.name for each in missing)
    told = "nothing else tells the model of them" if alone else "the others are named, so it may be left out"
    yield Finding(
        "error" if alone else "warning", "missing type", "the whole instruction",
        f"{names} {'is' if len(missing) == 1 else 'are'} not named, and {told}",
        "name every entity type, or none" if not alone else "name every entity type",
    )  # fmt: skip


def _ids(text: str, types: Sequence[EntityType]) -> Iterator[Finding]:
    known = {each.id for each in types}
    allowed = ", ".join(map(str, sorted(known)))
    for match in _ID.finditer(text):
        if int(match.group(1)) not in known:
            yield Finding(
                "error", "unknown type id", place(text, match.start(1)),
                f"{excerpt(match.group())}: no type has this id", f"use {allowed}",
            )  # fmt: skip
    for each in types:
        numbered = rf"\b(\d+)\s*([:=.)])\s*[\"'`*]*{re.escape(each.name)}\b"
        for match in re.finditer(numbered, text, re.IGNORECASE):
            if int(match.group(1)) != each.id:
                # the number of a list is no claim, but may be read as one
                yield Finding(
                    "error" if match.group(2) in ":=" else "warning", "wrong type id",
                    place(text, match.start()),
                    f"{excerpt(match.group())}, but the id of {each.name} is {each.id}", f"write {each.id}",
                )  # fmt: skip


def _format(program: Program, types: Sequence[EntityType]) -> Iterator[Finding]:
    """What contradicts the answer that the program reads: JSON with the format's own keys."""
    text = program.instruction
    to_do = "leave the form of the answer to the program"
    for match in _NO_JSON.finditer(text):
        what = f"{excerpt(match.group())}, but only JSON is read"
        yield Finding("error", "output format", place(text, match.start()), what, to_do)
    for match in _OTHER_FORMATS.finditer(text):
        if not _NEGATED.search(text[: match.start()]):
            what = f"it asks for {excerpt(match.group())}, but only JSON is read"
            yield Finding("error", "output format", place(text, match.start()), what, to_do)
    names = {each.name.lower() for each in types}
    keys = names if program.format == NAMES_BY_TYPE else _TYPED_KEYS
    for match in _KEY.finditer(text):
        if match.group(1).strip().lower() not in keys:
            what = f"it shows the key {excerpt(match.group(1))}, which no answer has"
            yield Finding("error", "output format", place(text, match.start()), what, to_do)


def _length(length: Length) -> Iterator[Finding]:
    where = f"{length.instruction:,} of {length.context:,} tokens"
    shorter = "shorten the instruction, or run the model with a larger context"
    if length.instruction + length.beside > length.context:
        what = f"with the {length.beside:,} tokens of the longest text and its answer it does not fit"
        yield Finding("error", "length", where, what, shorter)
    elif length.instruction > _LARGE_SHARE * length.context:
        yield Finding("warning", "length", where, "it takes more than half of the context", shorter)
