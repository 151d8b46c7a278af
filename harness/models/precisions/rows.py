"""What one precision did on the held-out prompts, kept as JSON so that an interrupted evaluation goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.models.checkpoint import write_bytes

# raise it when a row holds something else, or is measured otherwise
FORMAT = 1
_MAY_BE_NAN = ("seconds", "bits_per_weight")


@dataclass(frozen=True, slots=True)
class Row:
    """One precision; lists have one entry for each prompt.

    `answers`: None for one that did not end. `tokens_sha256` is of all token ids. `kl` and `flips` are empty
    for the reference and for an engine without logits. `seconds` is the time of all completions together, NaN
    where it says nothing about the format.
    """

    run_by: str
    size_bytes: int
    bits_per_weight: float
    answers: tuple[str | None, ...]
    completion_tokens: int
    seconds: float
    tokens_sha256: str
    kl: tuple[tuple[float, ...], ...] = ()
    flips: tuple[tuple[bool, ...], ...] = ()

    @property
    def tokens_per_s(self) -> float:
        """Completion tokens per second, the prompts' own processing included; NaN where not timed."""
        return self.completion_tokens / self.seconds


def row_path(cache: Path, identity: Any) -> Path:
    """Where the row is kept that follows from `identity`, a JSON value."""
    text = json.dumps([FORMAT, identity], sort_keys=True)
    return cache / f"precision-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def write_row(path: Path, row: Row) -> None:
    """Keep a finished row."""
    kept = dataclasses.asdict(row)
    kept |= {name: None for name in _MAY_BE_NAN if math.isnan(kept[name])}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, (json.dumps(kept, allow_nan=False) + "\n").encode())


def read_row(path: Path) -> Row | None:
    """The row kept there; None where there is none, or none that this version can read."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        kept |= {name: math.nan for name in _MAY_BE_NAN if kept[name] is None}
        kept |= {"answers": tuple(kept["answers"])}
        kept |= {name: tuple(map(tuple, kept[name])) for name in ("kl", "flips")}
        return Row(**kept)
    except (OSError, ValueError, KeyError, TypeError):
        return None
