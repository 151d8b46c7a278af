"""What is saved of an optimized prompt, and whether it is worth saving. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.prompts.evaluate import Comparison, Evaluation, explain_comparison
from harness.prompts.examples import EntityType
from harness.prompts.program import AnswerFormat, Program

FORMAT = 1
METRIC = "mean over examples of set F1 on (name, type)"


@dataclass(frozen=True, slots=True)
class SavedScore:
    """F1 with its interval on `n` held-out examples."""

    f1: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class SavedPrompt:
    """A program with what it was made from and what it scored.

    `fingerprint` says by name what decided the scores: data, metric, model. `provenance` is texts by name:
    where the figures come from (`measured` and so on), the hardware row, commit, seed.
    """

    program: Program
    types: tuple[EntityType, ...]
    fingerprint: Mapping[str, str]
    baseline: SavedScore
    optimized: SavedScore
    provenance: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SaveDecision:
    """Whether to save an optimized prompt, and why."""

    save: bool
    why: str


def saved_score(evaluation: Evaluation) -> SavedScore:
    """An evaluation's F1 with its interval."""
    low, high = evaluation.f1_interval()
    return SavedScore(evaluation.f1, low, high, len(evaluation.scores))


def worth_saving(comparison: Comparison, *, forced: bool = False) -> SaveDecision:
    """Whether the second program of a comparison on held-out examples is better than noise makes it."""
    said = explain_comparison(comparison)
    if comparison.verdict == "improved":
        return SaveDecision(True, said)
    return SaveDecision(forced, f"{said}; saved because it was forced" if forced else said)


def answer_fields(form: AnswerFormat, types: Sequence[EntityType]) -> list[str]:
    """The fields of an answer in the order of the form's schema: `extracted_entities.name` and so on."""
    return list(_fields(form.schema(types)))


def _fields(schema: Mapping[str, Any], above: str = "") -> Iterator[str]:
    inside = schema.get("items", schema)
    for name, each in inside.get("properties", {}).items():
        yield f"{above}{name}"
        yield from _fields(each, f"{above}{name}.")


def form_digest(form: AnswerFormat) -> str:
    """SHA-256 over what the form says by itself, whatever the instruction."""
    return Program("", form).fingerprint


def prompt_text(saved: SavedPrompt) -> str:
    """The file's content; the same prompt gives the same text."""
    document = {
        "format_version": FORMAT,
        "instruction": saved.program.instruction,
        "program": saved.program.format.name,
        "fields": answer_fields(saved.program.format, saved.types),
        "entity_types": [asdict(each) for each in saved.types],
        "form": form_digest(saved.program.format),
        "fingerprint": {**saved.fingerprint, "program": saved.program.fingerprint},
        "baseline": asdict(saved.baseline),
        "optimized": asdict(saved.optimized),
        "provenance": dict(saved.provenance),
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
