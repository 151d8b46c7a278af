from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import EXIT_BAD_INPUT, HarnessError
from harness.placement.inputs.model_shapes import KNOWN_MODELS, ModelShape, config_shape, real_shape
from harness.placement.problem import Problem


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("llama-7b", 6.738),
        ("llama-13b", 13.016),
        ("llama-70b", 68.977),
        ("llama-3-8b", 8.030),
        ("llama-3-70b", 70.554),
        ("mistral-7b", 7.242),
        ("qwen2.5-7b", 7.616),
        ("qwen2.5-72b", 72.706),
    ],
)
def test_a_known_model_has_as_many_parameters_as_its_makers_say(name: str, billions: float) -> None:
    shape = KNOWN_MODELS[name]
    tables = 2 * shape.vocabulary * shape.d_model
    assert shape.layers * shape.layer_parameters() + tables == pytest.approx(billions * 1e9, rel=3e-4)


def test_every_known_model_is_checked_above() -> None:
    assert len(KNOWN_MODELS) == 8


def test_a_layer_by_hand() -> None:
    # D 8, MLP 20, 4 heads of 2, of which keys and values have 2: q, o 64 each; k, v 32 each; 3 * 160.
    shape = ModelShape(1, 8, 20, 4, 2, 100)
    assert shape.layer_parameters() == 64 + 64 + 32 + 32 + 480
    assert shape.layer_parameters(2) == (64 + 64 + 32 + 32 + 480) / 2
    # Four GPUs for two heads: each holds a whole one.
    assert [shape.key_value_width(tp) for tp in (1, 2, 4)] == [4, 2, 2]
    assert shape.layer_parameters(4) == (64 + 64 + 480) / 4 + 2 * 8 * 2


def test_the_name_decides_the_shape(medium: Problem) -> None:
    assert real_shape(replace(medium.config, model_name="Llama-70B")) == KNOWN_MODELS["llama-70b"]
    assert real_shape(replace(medium.config, num_key_value_heads=64)).key_value_heads == 64
    assert config_shape(medium.config) == ModelShape(40, 8192, 22016, 64, 64, 32000)


def test_the_config_describes_any_other_model(tiny: Problem) -> None:
    assert real_shape(tiny.config) == ModelShape(4, 2048, 8192, 16, 16, 32000)
    assert real_shape(replace(tiny.config, num_key_value_heads=4)).key_value_heads == 4


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"d_hidden": 0},
            r"config\.csv: parameter 'd_hidden' is missing, and model 'tiny-4-layers' is not known",
        ),
        ({"num_attention_heads": 0}, r"'num_attention_heads' is missing.*; add .*, or name one of llama-7b,"),
        ({"num_attention_heads": 15}, r"num_attention_heads is 15 \(allowed: a divisor of d_model = 2048\)"),
        ({"num_key_value_heads": 5}, r"heads is 5 \(allowed: a divisor of num_attention_heads = 16\)"),
        ({"num_key_value_heads": 32}, r"heads is 32 \(allowed: a divisor of num_attention_heads = 16\)"),
    ],
)
def test_a_shape_that_cannot_be(tiny: Problem, changed: dict[str, int], message: str) -> None:
    with pytest.raises(HarnessError, match=message) as raised:
        real_shape(replace(tiny.config, **changed))
    assert raised.value.exit_code == EXIT_BAD_INPUT
