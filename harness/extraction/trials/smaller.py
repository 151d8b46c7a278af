"""A smaller model against a larger one: two precisions of the embedded one here, two sizes on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from harness.costmodel.known_models import find_model
from harness.costmodel.serving import documented
from harness.engines.opening import checkpoint_path, transformers
from harness.engines.protocol import Engine
from harness.engines.transformers import TransformersSettings
from harness.engines.transformers_padded import Sequential
from harness.errors import HarnessError
from harness.extraction.reading.opening import Choice, open_reader
from harness.extraction.reading.reader import ModelReader
from harness.extraction.timing import Lengths, sequential_seconds
from harness.hardware import Row, load_matrix, resolve_model

EMBEDDED = "fields"
LARGE, SMALL = ("extraction", "qwen2.5-14b"), ("extraction_small", "qwen2.5-7b")
"""The role in the hardware matrix, and the shape that the cost model knows."""
CALL = Lengths(1, 6600, 400)
"""A group's call as the guide's logs have it: 6,600 tokens read, 6 fields of 60 tokens written."""


@contextmanager
def open_precision(precision: str) -> Iterator[ModelReader]:
    """The embedded model in a precision of llama.cpp, one call at a time, without a cache."""
    with open_reader(Choice(EMBEDDED, precision=precision)) as opening:
        yield opening.reader()


def open_role(role: str, row: Row) -> AbstractContextManager[Engine]:
    """The row's checkpoint of a role, by plain `generate`; raises HarnessError where there is none here."""
    checkpoint = resolve_model(load_matrix(Path("hardware_matrix.toml")), role, row.name)
    if checkpoint is None:
        raise HarnessError(f"no model {role!r} for this row", where=row.name)
    return transformers(TransformersSettings(checkpoint_path(checkpoint), Sequential()), on_cpu=False)


def call_seconds(shape: str, row: Row) -> dict[str, float]:
    """A call alone on the row, weights in NF4, by the cost model."""
    seconds = sequential_seconds(documented(find_model(shape), "nf4", row), ((CALL,),))
    return {"call_time": seconds}
