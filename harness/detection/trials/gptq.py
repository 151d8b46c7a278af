"""Llama-2-7B's weights in few bits on a card: NF4 by bitsandbytes, fewer by GPTQ, which needs `gptqmodel`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.costmodel.formats import GROUP
from harness.costmodel.memory import weight_bytes
from harness.costmodel.precision import precision_of
from harness.detection.capture.loading import Loading, load
from harness.detection.costs.seconds import parts
from harness.detection.costs.structures import OURS, Batch, setting
from harness.detection.data.shipped import shipped
from harness.detection.trials.card_scoring import OnCards, one_head_each, scores_of
from harness.detection.trials.low_bit import grouped
from harness.detection.trials.passes import Ready
from harness.engines.transformers_loading import package, quiet
from harness.errors import HarnessError
from harness.hardware.rows import Row
from harness.measure.arms import Arm

LIBRARIES = ("optimum", "gptqmodel")
FUSED_BITS = (4, 8)
"""Bits for which the library has kernels that unpack inside the product (Marlin, ExLlama: 4, Marlin: 8). For
2 and 3 a kernel of its own writes 16-bit weights first, as it does for NF4."""
CALIBRATION_TEXTS = 64
NF4 = 0
"""In place of a number of bits: the baseline."""


def on_card(row: Row, bits: int, batch: Batch) -> dict[str, float]:
    """Llama-2-7B's samples per minute and weight bytes on the row, modelled; GPTQ of so many bits, or NF4.

    The end of the cost model's interval where the GPU, not its host, sets the pace.
    """
    at = setting(row, "nf4", OURS)
    if bits != NF4:
        at = replace(at, weights=grouped(bits, at.shape))
    precision = precision_of(at.weights)
    if bits not in FUSED_BITS:
        precision = replace(precision, unpacking="separate")
    seconds = parts(at, batch, precision, slow=False).total_s
    return {
        "samples_per_min": 60.0 * len(batch.samples) / seconds,
        "weight_memory": float(weight_bytes(at.shape, at.weights)[0]),
    }


def card_arm(folder: Callable[[], Path], bits: int, batch: Batch) -> Arm:
    """Scores random tokens of the batch's lengths; quantizing is part of the set-up."""

    def ready() -> tuple[Ready, int]:
        model = load_nf4(folder()) if bits == NF4 else load_gptq(folder(), bits)
        return one_head_each(model), held_bytes(model)

    return Arm(lambda it: OnCards(scores_of(it[0], batch), it[1]), prepare=ready)


def load_nf4(folder: Path) -> Any:
    """The checkpoint in NF4 on the first card."""
    return load(str(folder), Loading("cuda:0", nf4=True))


def load_gptq(folder: Path, bits: int) -> Any:
    """The checkpoint quantized by GPTQ as the guide does it, calibrated on the shipped responses.

    Raises HarnessError where the libraries are missing; they are for CUDA cards and none of our extras.
    """
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise HarnessError(
            f"GPTQ needs {' and '.join(missing)}, which no extra of this project brings",
            next_step="install them beside it, on a machine with a CUDA card",
        )
    transformers = package()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    texts = [f"{it.prompt}\n{it.text}" for it in shipped("balanced")[:CALIBRATION_TEXTS]]
    config = transformers.GPTQConfig(bits=bits, dataset=texts, tokenizer=tokenizer, group_size=GROUP)
    with quiet():
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype="float16",
            attn_implementation="sdpa",
            device_map={"": "cuda:0"},
            quantization_config=config,
        )
    return model.eval()


def held_bytes(model: Any) -> int:
    """Bytes of all its weights where they lie, scales and codes of packed ones included."""
    found = int(model.get_memory_footprint(return_buffers=False))
    for weights in model.parameters():
        state = getattr(weights, "quant_state", None)
        found += 0 if state is None else sum(it.nbytes for it in _scales(state))
    return found


def _scales(state: Any) -> list[Any]:
    nested = state.state2
    return [state.absmax, *([nested.absmax] if nested is not None else [])]
