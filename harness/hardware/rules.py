"""Rules of a hardware matrix that span several keys, which a JSON Schema cannot say."""

from __future__ import annotations

import datetime
import keyword
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.hardware.rows import HOST_ROW
from harness.hardware.schema import Violation, closest

# pytest's own markers, and those of plugins that people load beside ours.
_MARKERS = "parametrize skip skipif xfail usefixtures filterwarnings tryfirst trylast asyncio anyio benchmark"
# Words with a meaning in `-m` expressions, on our command line or in the matrix itself.
_WORDS = "timeout flaky slow gpu and or not true false none auto all any host cuda models"
RESERVED_NAMES = frozenset(_MARKERS.split() + _WORDS.split())

# The oldest compute capability with tensor cores for a type.
_NEEDED_CAPABILITY = {"bf16_tflops": (8, 0), "fp8_tflops": (8, 9)}


def broken_rules(data: Mapping[str, Any]) -> Iterator[Violation]:
    """Every rule that `data`, which has to satisfy the schema, breaks."""
    rows = {name: table for name, table in data.items() if name != "models"}
    for name, table in rows.items():
        yield from _name(name)
        yield from _kind(name, table)
        yield from _capability(name, table)
        yield from _price_date(name, table)
        yield from _patterns(name, table)
        yield from _ranges((name,), table)
        yield from _memory_per_gpu(name, table)
        yield from _tensor_parallel(name, table)
    yield from _models(data.get("models", {}), rows)


def _name(name: str) -> Iterator[Violation]:
    if name in RESERVED_NAMES or keyword.iskeyword(name):
        yield Violation(
            (name,),
            "cannot name a row: the name would be a pytest marker, and this word has another meaning there",
            "lower-case letters, digits and _",
            f"call it {name}_row, say",
        )


def _kind(name: str, table: Mapping[str, Any]) -> Iterator[Violation]:
    is_host = table["kind"] == "host"
    if name == HOST_ROW and not is_host:
        yield Violation(
            (name, "kind"), f"is {table['kind']!r}", "'host'", f"row {HOST_ROW} is the host itself"
        )
    if is_host and name != HOST_ROW:
        yield Violation((name, "kind"), "is 'host'", "'cuda'", f"the only host row is {HOST_ROW}")
    if is_host != (table["gpus"] == 0):
        allowed = "0 on a host row" if is_host else "1 or more on a cuda row"
        yield Violation((name, "gpus"), f"is {table['gpus']}", allowed, "correct gpus or kind")
    if is_host != (table["compute_capability"] == ""):
        allowed = "empty on a host row" if is_host else "such as '8.9' on a cuda row"
        what = f"is {table['compute_capability']!r}"
        yield Violation((name, "compute_capability"), what, allowed, "correct compute_capability or kind")
    if is_host != (not table["gpu_names"]):
        allowed = "[] on a host row" if is_host else "at least one regular expression on a cuda row"
        yield Violation((name, "gpu_names"), f"has {len(table['gpu_names'])} entries", allowed, "correct it")
    if (table["interconnect"] == "none") != (table["interconnect_gb_s"] == 0):
        what = f"is {table['interconnect_gb_s']} with interconnect {table['interconnect']!r}"
        yield Violation((name, "interconnect_gb_s"), what, "0 with 'none', above 0 otherwise", "correct one")
    if is_host and table["clock"] == "cuda_event":
        allowed = "'thread', 'process', 'wall' on a host row"
        yield Violation((name, "clock"), "is 'cuda_event'", allowed, "a host has no CUDA events")


def _capability(name: str, table: Mapping[str, Any]) -> Iterator[Violation]:
    if not table["compute_capability"]:
        return
    capability = tuple(int(part) for part in table["compute_capability"].split("."))
    for key, needed in _NEEDED_CAPABILITY.items():
        rate = table["dense"][key]
        if rate and capability < needed:
            what = f"is {rate}, but capability {table['compute_capability']} has no unit for it"
            allowed = f"0 below capability {needed[0]}.{needed[1]}"
            yield Violation((name, "dense", key), what, allowed, "write 0 or correct compute_capability")


def _price_date(name: str, table: Mapping[str, Any]) -> Iterator[Violation]:
    try:
        datetime.date.fromisoformat(table["price_date"])
    except ValueError:
        what = f"is {table['price_date']!r}, which is no day"
        yield Violation((name, "price_date"), what, "YYYY-MM-DD", "write the day the price was read")


def _patterns(name: str, table: Mapping[str, Any]) -> Iterator[Violation]:
    places: list[tuple[tuple[str | int, ...], str]] = [
        ((name, "gpu_names", index), text) for index, text in enumerate(table["gpu_names"])
    ]
    for index, warning in enumerate(table.get("expected_warnings", ())):
        places.append(((name, "expected_warnings", index, "pattern"), warning["pattern"]))
    for path, text in places:
        try:
            re.compile(text)
        except re.error as error:
            what = f"is {text!r}, which is no regular expression ({error})"
            yield Violation(
                path, what, "a regular expression", "write a literal . ( ) [ ] * + ? with a backslash"
            )


def _ranges(path: tuple[str | int, ...], table: Mapping[str, Any]) -> Iterator[Violation]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _ranges((*path, key), value)
        elif key != "max_memory_gb" and _is_pair(value) and value[0] > value[1]:
            yield Violation((*path, key), f"is {value}", "[low, high]", "put the lower figure first")


def _is_pair(value: object) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and all(isinstance(part, (int, float)) for part in value)
    )


def _memory_per_gpu(name: str, table: Mapping[str, Any]) -> Iterator[Violation]:
    limits = table.get("detection", {}).get("max_memory_gb")
    if limits is not None and len(limits) != max(table["gpus"], 1):
        allowed = f"one per GPU, {table['gpus']} here"
        yield Violation(
            (name, "detection", "max_memory_gb"), f"has {len(limits)} entries", allowed, "correct it"
        )


def _tensor_parallel(name: str, table: Mapping[str, Any]) -> Iterator[Violation]:
    size = table.get("serving", {}).get("tensor_parallel", 1)
    devices = max(table["gpus"], 1)
    if size > devices:
        hint = "correct it or gpus"
        yield Violation((name, "serving", "tensor_parallel"), f"is {size}", f"at most {devices} here", hint)


def _models(models: Mapping[str, Any], rows: Mapping[str, Any]) -> Iterator[Violation]:
    for role, entries in models.items():
        covered: set[str] = set()
        for index, entry in enumerate(entries):
            path = ("models", role, index, "rows")
            for row in entry["rows"]:
                if row not in rows:
                    hint = closest(row, rows) or "correct it or add the row"
                    yield Violation(path, f"names row {row!r}, which does not exist", ", ".join(rows), hint)
                elif row in covered:
                    allowed = "each row once per role"
                    yield Violation(path, f"names row {row!r} once more", allowed, "keep one of the entries")
                covered.add(row)
