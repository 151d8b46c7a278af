import math
from pathlib import Path

import pytest

from harness.engines.transformers_loading import load_model
from harness.errors import HarnessError
from harness.models.architecture import tensor_shapes
from harness.models.checkpoint import read_checkpoint, read_tensors
from harness.models.weights.formats import pack, unpack
from harness.models.weights.quantized_model import MODEL_FORMATS, quantized_model, save_rounded

MATRICES = 2 * (256 * 256 * 2 + 256 * 128 * 2 + 256 * 512 * 3)
# 12 texts of random ids: enough for every input of a layer to be seen
CALIBRATION = [[(7 * i * (j + 1) + 3 * j) % 384 for i in range(40)] for j in range(12)]


@pytest.mark.parametrize("to", MODEL_FORMATS)
def test_bytes_of_a_model(tiny_model: Path, to: str) -> None:
    found = quantized_model(tiny_model, to, CALIBRATION)
    assert found.bits_per_weight == pytest.approx(8 * found.matrix_bytes / MATRICES)
    bits = {"fp8": 8, "int8": 8, "nf4": 4}.get(to) or int(to[-1])
    assert bits < found.bits_per_weight <= bits + 0.5
    total = sum(math.prod(d) for d in tensor_shapes(read_checkpoint(tiny_model).shape).values())
    assert found.other_bytes == 2 * (total - MATRICES)
    assert all(parameter.isfinite().all() for parameter in found.model.parameters())


def test_only_the_matrices_of_layers_change(tiny_model: Path) -> None:
    before = dict(read_tensors(read_checkpoint(tiny_model)))
    after = quantized_model(tiny_model, "rtn3").model.state_dict()
    name = "model.layers.1.mlp.down_proj.weight"
    assert after[name].equal(unpack(pack(before[name], "rtn3")))
    changed = {name for name, tensor in before.items() if not after[name].equal(tensor)}
    assert len(changed) == 14
    assert all("proj.weight" in name for name in changed)


def test_gptq_changes_the_logits_less_than_rounding(tiny_model: Path) -> None:
    import torch

    ids = torch.tensor(CALIBRATION)
    with torch.inference_mode():
        exact = load_model(tiny_model, "cpu", "float32", "none", "sdpa")(ids).logits
        errors = {
            to: float((quantized_model(tiny_model, to, CALIBRATION).model(ids).logits - exact).norm())
            for to in ("rtn3", "gptq3", "gptq4")
        }
    assert errors["gptq4"] < errors["gptq3"] < errors["rtn3"]


def test_a_saved_model_loads_with_the_same_values(tiny_model: Path, tmp_path: Path) -> None:
    made = save_rounded(tiny_model, "nf4", tmp_path / "nf4")
    state = made.model.state_dict()
    read = dict(read_tensors(read_checkpoint(tmp_path / "nf4")))
    assert all(tensor.equal(state[name]) for name, tensor in read.items())
    with pytest.raises(HarnessError, match="it exists already"):
        save_rounded(tiny_model, "nf4", tmp_path / "nf4")


def test_mistakes(tiny_model: Path) -> None:
    with pytest.raises(HarnessError, match=r"'q4' is no weight format.*gptq4"):
        quantized_model(tiny_model, "q4")
    with pytest.raises(HarnessError, match="needs texts to calibrate on"):
        quantized_model(tiny_model, "gptq4")
