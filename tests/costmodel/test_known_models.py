"""The table of shapes says what the models' own config.json say."""

from dataclasses import astuple, replace
from pathlib import Path

import pytest

from harness.costmodel.known_models import find_model
from harness.costmodel.shapes import ModelShape, shape_from_file

CONFIGS = Path(__file__).resolve().parents[2] / "fixtures" / "shapes"
# Left out: gemma-3 and phi-3-mini-4k, which the table has not.
BOTH = (
    "gemma-2-9b", "llama-2-70b", "llama-3.1-8b", "mixtral-8x7b", "phi-4", "qwen2.5-7b", "qwen3-30b-a3b",
    "qwen3-4b",
)  # fmt: skip


def sizes(shape: ModelShape) -> tuple[object, ...]:
    """All but the names, how matrices are stored, and what a user may set: the context and its windows."""
    same = {"name": "", "architecture": "", "context_tokens": 0, "windowed": (), "fused_qkv": False}
    return astuple(replace(shape, **same))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", BOTH)
def test_sizes_are_those_of_the_config(name: str) -> None:
    assert sizes(find_model(name)) == sizes(shape_from_file(CONFIGS / name / "config.json"))
