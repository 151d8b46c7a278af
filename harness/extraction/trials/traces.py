"""Debug traces of calls as the documented pipeline writes them, and none."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROMPT_CHARACTERS = 30_000


def prompts(count: int, seed: int = 0) -> list[str]:
    """Texts as long as a documented prompt."""
    r = random.Random(f"traces {seed}")
    words = [f"word{number}" for number in range(500)]
    return [" ".join(r.choices(words, k=PROMPT_CHARACTERS // 8)) for _ in range(count)]


@contextmanager
def folder() -> Iterator[Path]:
    """A folder of its own, gone at the end."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def with_traces(path: Path, calls: Sequence[str]) -> list[Path]:
    """A file for each call, written, read back with its result, and written again."""
    written = []
    for number, prompt in enumerate(calls):
        trace = path / f"{number:04}.json"
        trace.write_text(json.dumps({"prompt": prompt, "answer": prompt[:2_000]}))
        document = json.loads(trace.read_text())
        trace.write_text(json.dumps({**document, "parsed": {"value": prompt[:20]}}))
        written.append(trace)
    return written


def without_traces(_path: Path, calls: Sequence[str]) -> list[Path]:
    """Nothing is written."""
    for prompt in calls:
        json.dumps({"value": prompt[:20]})
    return []
