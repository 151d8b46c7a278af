"""RAGTruth's two published files (Niu et al. 2024, ACL), read and written; nothing is downloaded.

`response.jsonl` has a line for each response, `source_info.jsonl` one for each source. Every rule that the
published files keep is checked, so that a file which breaks one is not scored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.detection.data.responses import LABEL_TYPES, QUALITIES, SPLITS, TASKS, Label, Response
from harness.errors import HarnessError
from harness.models.checkpoint import write_bytes

RESPONSES, SOURCES = "response.jsonl", "source_info.jsonl"
RECORD_KEYS = (
    "name", "address", "city", "state", "categories", "hours", "attributes", "business_stars", "review_info",
)  # fmt: skip
_RESPONSE_KEYS = {"id", "source_id", "model", "temperature", "labels", "split", "quality", "response"}
_SOURCE_KEYS = {"source_id", "task_type", "source", "source_info", "prompt"}
_LABEL_KEYS = {"start", "end", "text", "meta", "label_type", "implicit_true", "due_to_null"}
_HALF = re.compile("[\ud800-\udfff]")
_LONGEST_LINE = 1 << 24
_HIGHEST_TEMPERATURE = 1e6  # keeps out what is not finite, and integers that no float holds


def read_ragtruth(responses: Path, sources: Path) -> tuple[Response, ...]:
    """All responses with their sources' prompts, in the file's order.

    Raises HarnessError, with file, line and key, for the first line that is no such response or source, for
    a response whose source is missing, and for ids that come twice.
    """
    known = _sources(sources)
    found: dict[str, Response] = {}
    for where, line in _lines(responses):
        response = _response(line, known, where, sources)
        if response.id in found:
            raise HarnessError(f"id {response.id!r} comes twice", where=where)
        found[response.id] = response
    if not found:
        raise HarnessError("there is no response", where=str(responses))
    return tuple(found.values())


def write_ragtruth(
    folder: Path, responses: Sequence[Response], infos: Mapping[str, Any], source: str
) -> None:
    """Write both files; `infos` gives each source's `source_info`. The same responses give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    by_source = {each.source_id: each for each in responses}
    source_lines = [
        {
            "source_id": name,
            "task_type": each.task,
            "source": source,
            "source_info": infos[name],
            "prompt": each.prompt,
        }
        for name, each in by_source.items()
    ]
    write_bytes(folder / SOURCES, _jsonl(source_lines))
    write_bytes(folder / RESPONSES, _jsonl(map(_document, responses)))


def context_of(task: str, info: Any, prompt: str) -> tuple[int, int]:
    """Where the retrieved text stands in the prompt; the whole prompt where it is not found as it is."""
    if task == "QA":
        text = str(info["passages"])
    elif task == "Data2txt":
        text = _record_text(info)
    else:
        text = str(info)
    start = prompt.find(text.strip()) if text.strip() else -1
    return (start, start + len(text.strip())) if start >= 0 else (0, len(prompt))


def _record_text(info: Mapping[str, Any]) -> str:
    reviews = info["review_info"]
    if isinstance(reviews, list) and len(reviews) == 1 and isinstance(reviews[0], str):
        return reviews[0]
    return str(dict(info))


def _jsonl(documents: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in documents).encode()


def _document(response: Response) -> Mapping[str, Any]:
    labels = [
        {
            "start": label.start,
            "end": label.end,
            "text": response.text[label.start : label.end],
            "meta": "",
            "label_type": label.type,
            "implicit_true": label.implicit_true,
            "due_to_null": label.due_to_null,
        }
        for label in response.labels
    ]
    return {
        "id": response.id,
        "source_id": response.source_id,
        "model": response.model,
        "temperature": response.temperature,
        "labels": labels,
        "split": response.split,
        "quality": response.quality,
        "response": response.text,
    }


# --- reading ---


def _lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(where, document) of every line that is not empty."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 1):
                where = f"{path}, line {number}"
                if line.strip():
                    yield where, _object(line, where)
    except OSError as error:
        raise HarnessError(
            f"cannot be read: {error.strerror}",
            where=str(path),
            next_step="give RAGTruth's response.jsonl and source_info.jsonl",
        ) from None


def _object(line: bytes, where: str) -> Mapping[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise HarnessError("is no JSON", where=where, allowed="one JSON object on each line") from None
    if not isinstance(document, dict):
        raise HarnessError("is no JSON object", where=where)
    return document


def _sources(path: Path) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for where, line in _lines(path):
        _require_keys(line, _SOURCE_KEYS, where)
        name = _text(line, "source_id", where)
        if name in found:
            raise HarnessError(f"source_id {name!r} comes twice", where=where)
        _one_of(line, "task_type", TASKS, where)
        if not _text(line, "prompt", where).strip():
            raise HarnessError("`prompt` is empty", where=where)
        _require_info(line["task_type"], line["source_info"], where)
        found[name] = line
    return found


def _require_info(task: str, info: Any, where: str) -> None:
    if task == "QA":
        fits, allowed = (
            isinstance(info, dict) and {"question", "passages"} <= info.keys(),
            "question, passages",
        )
    elif task == "Data2txt":
        fits = isinstance(info, dict) and set(RECORD_KEYS) <= info.keys()
        allowed = f"a record with {', '.join(RECORD_KEYS)}"
    else:
        fits, allowed = isinstance(info, str), "a text"
    if not fits:
        raise HarnessError(
            f"`source_info` of a {task} source is something else", where=where, allowed=allowed
        )


def _response(
    line: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]], where: str, path: Path
) -> Response:
    _require_keys(line, _RESPONSE_KEYS, where)
    source = sources.get(_text(line, "source_id", where))
    if source is None:
        raise HarnessError(f"source_id {line['source_id']!r} is not in {path}", where=where)
    text = _text(line, "response", where)
    temperature = line["temperature"]
    if type(temperature) not in (int, float) or not 0 <= temperature < _HIGHEST_TEMPERATURE:
        raise HarnessError("`temperature` is no number from 0 on", where=where)
    _one_of(line, "split", SPLITS, where)
    _one_of(line, "quality", QUALITIES, where)
    return Response(
        id=_text(line, "id", where),
        source_id=line["source_id"],
        task=source["task_type"],
        model=_text(line, "model", where),
        temperature=float(temperature),
        prompt=source["prompt"],
        context=context_of(source["task_type"], source["source_info"], source["prompt"]),
        text=text,
        labels=_labels(line["labels"], text, where),
        split=line["split"],
        quality=line["quality"],
    )


def _labels(given: Any, text: str, where: str) -> tuple[Label, ...]:
    if not isinstance(given, list):
        raise HarnessError("`labels` is no list", where=where)
    return tuple(_label(each, text, f"{where}, label {number}") for number, each in enumerate(given, 1))


def _label(given: Any, text: str, where: str) -> Label:
    if not isinstance(given, dict):
        raise HarnessError("is no JSON object", where=where)
    # older copies of the file lack the two flags
    _require_keys({"implicit_true": False, "due_to_null": False, "meta": "", **given}, _LABEL_KEYS, where)
    start, end = given["start"], given["end"]
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= len(text):
        raise HarnessError(
            f"[{start}, {end}) is no stretch of the response", where=where, allowed=f"0 to {len(text)}"
        )
    if given["text"] != text[start:end]:
        raise HarnessError("`text` is not what the response has there", where=where)
    _one_of(given, "label_type", LABEL_TYPES, where)
    flags = [given.get(name, False) for name in ("implicit_true", "due_to_null")]
    if not all(isinstance(flag, bool) for flag in flags):
        raise HarnessError("`implicit_true` and `due_to_null` are true or false", where=where)
    return Label(start, end, given["label_type"], *flags)


def _require_keys(line: Mapping[str, Any], keys: set[str], where: str) -> None:
    missing = sorted(keys - line.keys())
    if missing:
        raise HarnessError(f"`{missing[0]}` is missing", where=where, allowed=", ".join(sorted(keys)))


def _text(line: Mapping[str, Any], key: str, where: str) -> str:
    value = line[key]
    if not isinstance(value, str):
        raise HarnessError(f"`{key}` is no text", where=where)
    if _HALF.search(value):
        raise HarnessError(f"`{key}` holds half of a surrogate pair, which is no character", where=where)
    return value


def _one_of(line: Mapping[str, Any], key: str, allowed: Sequence[str], where: str) -> None:
    if line[key] not in allowed:
        raise HarnessError(f"`{key}` is {line[key]!r}", where=where, allowed=", ".join(allowed))
