"""A saved prompt on disk: an instruction with all that says for what it was made and how well it did.

The file is a JSON object. A prompt that was measured with another program, with other entity types or in
other words is refused when it is read, as its scores would not be those of what runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.models.checkpoint import write_bytes
from harness.prompts.checked_json import read_json, shortened
from harness.prompts.examples import EntityType
from harness.prompts.program import AnswerFormat, Program
from harness.prompts.report.saved_prompt import (
    FORMAT,
    SavedPrompt,
    SavedScore,
    answer_fields,
    form_digest,
    prompt_text,
)

HISTORY = "history"

_AGAIN = "optimize again for this program"
_KEYS = (
    "format_version", "instruction", "program", "fields", "entity_types", "form", "fingerprint", "baseline",
    "optimized", "provenance",
)  # fmt: skip


def write_prompt_file(path: Path, saved: SavedPrompt) -> Path | None:
    """Write the file whole or not at all. What was there before goes to `history/` beside it.

    Returns the path in the history, None where there was no file or it says the same. Raises HarnessError
    where nothing can be written, or where the instruction is no text that UTF-8 can hold.
    """
    try:
        content = prompt_text(saved).encode()
    except UnicodeEncodeError:
        raise HarnessError("the instruction holds half of a character pair", where=str(path)) from None
    try:
        before = path.read_bytes() if path.exists() else None
        if before == content:
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = None if before is None else _keep(path, before)
        write_bytes(path, content)
    except OSError as error:
        raise HarnessError(
            f"the prompt cannot be saved: {error.strerror}", where=str(path), next_step="give another path"
        ) from None
    return kept


def retire_prompt_file(path: Path) -> None:
    """Move what is there to `history/`; nothing where there is no file."""
    try:
        if path.exists():
            _keep(path, path.read_bytes())
            path.unlink()
    except OSError as error:
        raise HarnessError(f"cannot be moved away: {error.strerror}", where=str(path)) from None


def _keep(path: Path, content: bytes) -> Path:
    """`history/name.0001.json`, the first number that is free; a file that is kept already stays one."""
    folder = path.parent / HISTORY
    folder.mkdir(exist_ok=True)
    number = 1
    while (kept := folder / f"{path.stem}.{number:04}{path.suffix}").exists():
        if kept.read_bytes() == content:
            return kept
        number += 1
    write_bytes(kept, content)
    return kept


# --- reading ---


def read_prompt_file(path: Path, program: Program, types: Sequence[EntityType]) -> SavedPrompt:
    """The prompt saved in a file, for use as `program` (its format; its instruction plays no part).

    Raises HarnessError for a file that is missing, truncated or no prompt file; for an instruction that is no
    text, empty, or was changed since it was measured; and for a prompt of another program, with other entity
    types, or with other fields or another order of them.
    """
    where = str(path)
    try:
        document = read_json(path)
    except HarnessError as error:
        step = f"give a prompt file, or restore one from {HISTORY}/ beside it"
        raise HarnessError(error.what, where=where, allowed=error.allowed, next_step=step) from None
    found = _object(document, _KEYS, where, "a prompt file")
    if found["format_version"] != FORMAT:
        raise HarnessError(
            f"`format_version` is {shortened(found['format_version'])}",
            where=where, allowed=str(FORMAT), next_step=_AGAIN,
        )  # fmt: skip
    instruction = _instruction(found["instruction"], where)
    _require_program(found, program.format, types, where)
    _require_unchanged(found, Program(instruction, program.format), where)
    return SavedPrompt(
        program=Program(instruction, program.format),
        types=tuple(types),
        fingerprint={k: v for k, v in _texts(found, "fingerprint", where).items() if k != "program"},
        baseline=_score(found, "baseline", where),
        optimized=_score(found, "optimized", where),
        provenance=_texts(found, "provenance", where),
    )


def _instruction(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise HarnessError(f"`instruction` is {shortened(value)}", where=where, allowed="a text")
    if not value.strip():
        raise HarnessError("`instruction` is empty", where=where, allowed="a text", next_step=_AGAIN)
    return value


def _require_program(
    found: Mapping[str, Any], form: AnswerFormat, types: Sequence[EntityType], where: str
) -> None:
    if found["program"] != form.name:
        raise HarnessError(
            f"this prompt belongs to another program, {shortened(found['program'])}",
            where=where, allowed=form.name, next_step=_AGAIN,
        )  # fmt: skip
    ours = [asdict(each) for each in types]
    if found["entity_types"] != ours:
        raise HarnessError(
            f"this prompt was made for other entity types: {_first_difference(found['entity_types'], ours)}",
            where=where,
            next_step="use it with the types it was made for, or optimize again for these",
        )
    fields = answer_fields(form, types)
    if found["fields"] != fields:
        same = isinstance(found["fields"], list) and sorted(map(str, found["fields"])) == sorted(fields)
        raise HarnessError(
            "this prompt was made for an answer with "
            + ("the same fields in another order" if same else "other fields"),
            where=where, allowed=", ".join(fields), next_step=_AGAIN,
        )  # fmt: skip
    if found["form"] != form_digest(form):
        raise HarnessError(
            f"the words that {form.name} puts around an instruction are others now",
            where=where,
            next_step=f"its scores are not those of what would run: {_AGAIN}",
        )


def _require_unchanged(found: Mapping[str, Any], program: Program, where: str) -> None:
    if _texts(found, "fingerprint", where).get("program") != program.fingerprint:
        raise HarnessError(
            "the instruction was changed since it was measured",
            where=where,
            next_step="restore it, or evaluate and save it again",
        )


def _first_difference(saved: Any, ours: Sequence[Mapping[str, Any]]) -> str:
    if not isinstance(saved, list) or len(saved) != len(ours):
        count = len(saved) if isinstance(saved, list) else "no"
        return f"it has {count} types, the examples {len(ours)}"
    number, (theirs, here) = next(
        (i, pair) for i, pair in enumerate(zip(saved, ours, strict=True), 1) if pair[0] != pair[1]
    )
    return f"type {number} is {_named(theirs)} there and {_named(here)} here"


def _named(kind: Any) -> str:
    if not isinstance(kind, Mapping):
        return shortened(kind)
    words = " ".join(str(kind.get("description")).split())
    digest = hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{shortened(kind.get('id'))} {shortened(kind.get('name'))} (description {digest})"


def _object(value: Any, keys: Sequence[str], where: str, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise HarnessError(f"{what} is a JSON object, this is {shortened(value)}", where=where)
    missing = next((key for key in keys if key not in value), None)
    if missing is not None:
        raise HarnessError(f"`{missing}` is missing", where=where, allowed=", ".join(keys))
    other = next((key for key in value if key not in keys), None)
    if other is not None:
        raise HarnessError(f"{shortened(other)} is no key of it", where=where, allowed=", ".join(keys))
    return value


def _texts(found: Mapping[str, Any], key: str, where: str) -> Mapping[str, str]:
    value = found[key]
    if not isinstance(value, Mapping) or not all(isinstance(each, str) for each in value.values()):
        raise HarnessError(f"`{key}` is {shortened(value)}", where=where, allowed="texts by name")
    return value


def _score(found: Mapping[str, Any], key: str, where: str) -> SavedScore:
    value = _object(found[key], ("f1", "low", "high", "n"), where, f"`{key}`")
    shares = [value[name] for name in ("low", "f1", "high")]
    if any(type(share) not in (int, float) or not 0.0 <= share <= 1.0 for share in shares) or (
        shares != sorted(shares)
    ):
        raise HarnessError(f"`{key}` holds no shares", where=where, allowed="0 <= low <= f1 <= high <= 1")
    if type(value["n"]) is not int or value["n"] < 1:
        raise HarnessError(f"`{key}` has n = {shortened(value['n'])}", where=where, allowed="1 and more")
    return SavedScore(value["f1"], value["low"], value["high"], value["n"])
