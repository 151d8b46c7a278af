"""Operations of a pass of a model that is not here: `capture.floor` counts, on a stand-in of its shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from harness.costmodel.parameters import layer_linears
from harness.costmodel.shapes import ModelShape
from harness.detection.capture.floor import Work, work_of
from harness.detection.costs.structures import Batch, Setting
from harness.detection.sample import Sample


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A weight matrix of which only the size is known."""

    weights: int

    def numel(self) -> int:
        return self.weights

    def dim(self) -> int:
        return 2


def work(setting: Setting, batch: Batch) -> Work:
    """What `floor.work_of` counts for the samples, each with a prompt of its own and padding aside.

    Lens, exponentials and logarithms are those of the response rows.
    """
    samples = [_sample(number, *lengths) for number, lengths in enumerate(batch.samples)]
    layers = range(setting.shape.layers)
    return work_of(stand_in(setting.shape), samples, setting.heads, layers, shared=False)


@lru_cache(maxsize=8)
def stand_in(shape: ModelShape) -> Any:
    """What `anatomy_of` reads of a loaded model, from its shape: sizes, and matrices without weights.

    All shapes stand in as a Llama: names of modules differ between architectures, sizes are counted.
    """
    layers = [
        SimpleNamespace(
            self_attn=SimpleNamespace(head_dim=shape.head_width),
            parameters=[_Matrix(linear.weights) for linear in layer_linears(shape, number)].__iter__,
        )
        for number in range(shape.layers)
    ]
    config = SimpleNamespace(
        model_type="llama",
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        hidden_size=shape.hidden,
        vocab_size=shape.vocabulary,
    )
    return SimpleNamespace(config=config, model=SimpleNamespace(layers=layers, norm=None))


def _sample(number: int, prompt: int, response: int) -> Sample:
    tokens = (0,) * (prompt + response)
    return Sample(str(number), str(number), "QA", tokens, prompt, (0, prompt), (False,) * response)
