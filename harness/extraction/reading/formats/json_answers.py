"""JSON out of what a model wrote: the whole text, a fenced block, or what stands between outermost braces.

The text is untrusted: it may be no JSON, nested without end, or broken off. Nothing here raises.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

MOST_CHARACTERS = 400_000
MOST_VALUE_CHARACTERS = 400
MOST_QUOTE_CHARACTERS = 2000
_MOST_STARTS = 40
_FENCE = re.compile(r"```[a-zA-Z]*\s*\n?(.*?)```", re.DOTALL)
_THOUGHT = re.compile(r"\A\s*<think>.*?(?:</think>|\Z)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029\ud800-\udfff]+")
_NEXT_RECORD = re.compile(r"[\s,]*(?=\{)")
_LIST_END = re.compile(r"\s*\]")
_DECODER = json.JSONDecoder()

Fits = Callable[[Any], bool]


def read_json(text: str, fits: Fits) -> Any:
    """The first JSON value in a text that `fits`, None where there is none."""
    text = _THOUGHT.sub("", text[:MOST_CHARACTERS])
    for candidate in _candidates(text):
        if fits(candidate):
            return candidate
    return None


def _candidates(text: str) -> Iterator[Any]:
    """Whole text, fenced blocks, from the first brace to the last, then what begins at each brace."""
    whole = text.strip()
    pieces = [whole, *(match.group(1).strip() for match in _FENCE.finditer(text))]
    if "{" in text:
        pieces.append(text[text.index("{") : text.rfind("}") + 1])
    for piece in pieces:
        if piece[:1] in ("{", "["):
            with suppress(ValueError, RecursionError):
                yield json.loads(piece)
    for number, match in enumerate(re.finditer(r"[{\[]", text)):
        if number == _MOST_STARTS:
            return
        try:
            yield _DECODER.raw_decode(text, match.start())[0]
        except (ValueError, RecursionError):
            continue


def complete_records(text: str, key: str) -> list[dict[str, Any]] | None:
    """The whole objects of the list under `key`, of a text that breaks off; None where it has none yet."""
    text = _THOUGHT.sub("", text[:MOST_CHARACTERS])
    opening = re.search(rf'"{re.escape(key)}"\s*:\s*\[', text)
    if opening is None:
        return None
    records: list[dict[str, Any]] = []
    at = opening.end()
    while (start := _NEXT_RECORD.match(text, at)) is not None:
        try:
            record, at = _DECODER.raw_decode(text, start.end())
        except (ValueError, RecursionError):
            break
        records.append(record)
    is_closed = _LIST_END.match(text, at) is not None
    return records if records or is_closed else None


def text_of(value: Any, most: int = MOST_VALUE_CHARACTERS) -> str | None:
    """A value as one line of text, None for what is no value: null, an object, a number that is none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return clean(value, most)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return clean(json.dumps(value), most)
    if isinstance(value, list):
        parts = [text_of(each, most) for each in value[:100]]
        if parts and all(part is not None for part in parts):
            return clean(", ".join(part or "" for part in parts), most)
    return None


def clean(text: str, most: int) -> str:
    """Without what is no character, on one line, of at most `most` characters."""
    return _CONTROL.sub(" ", text[: 4 * most]).strip()[:most].strip()
