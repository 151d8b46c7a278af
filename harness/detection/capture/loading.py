"""Load a checkpoint for scoring: an embedded model by name or any folder, on a CPU or spread over cards."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.detection.capture.anatomy import anatomy_of
from harness.detection.capture.compatibility import require_compatible
from harness.engines.protocol import EngineFailure
from harness.engines.transformers_loading import (
    AttentionName,
    Precision,
    card_of,
    choose_attention,
    dtype_of,
    is_out_of_memory,
    load_model,
    package,
    quiet,
    saved_quantization,
)
from harness.errors import HarnessError
from harness.models.embedded import model_folder

Place = int | Literal["cpu"]


@dataclass(frozen=True, slots=True)
class Loading:
    """How a model is loaded.

    `attention` None takes FlashAttention-2 where it can run, else SDPA. `device_map` names a device for each
    module ("model.layers.0": 0 or "cpu"), as `offload_map` makes it, or is "auto" or "balanced", which the
    library works out under `max_memory` (device to "12GiB"). Offloaded modules run in `precision`, never
    in four bits.
    """

    device: str = "cpu"
    precision: Precision = "float32"
    nf4: bool = False
    attention: AttentionName | None = None
    device_map: Mapping[str, Place] | Literal["auto", "balanced"] | None = None
    max_memory: Mapping[Place, str] | None = None

    @property
    def features(self) -> set[str]:
        """What the compatibility table calls this."""
        found = {"CPU"} if self.device == "cpu" else set()
        found |= {"NF4", "bitsandbytes"} if self.nf4 else set()
        found |= {"device map"} if self.device_map is not None else set()
        return found | ({"FlashAttention-2"} if self.attention == "flash_attention_2" else set())


FLOAT32_ON_CPU = Loading()


def load(name_or_path: str, loading: Loading = FLOAT32_ON_CPU) -> Any:
    """The causal language model, ready to be scored.

    Raises HarnessError for a folder that cannot be loaded, an architecture that cannot be scored, and what
    this machine cannot run; EngineFailure where memory runs out.
    """
    require_compatible(loading.features)
    folder = model_folder(name_or_path)
    if loading.device != "cpu":
        _require_card(loading.device)
    dtype = (
        "float16" if loading.nf4 and loading.precision == "float32" else dtype_of(folder, loading.precision)
    )
    attention = choose_attention(loading.attention, card_of(loading.device), dtype, masks=False)
    if loading.device_map is None:
        quantization: Literal["none", "nf4"] = "nf4" if loading.nf4 else "none"
        precision: Any = dtype if loading.nf4 else loading.precision
        model = load_model(folder, loading.device, precision, quantization, attention.name)
    else:
        model = _load_spread(folder, loading, dtype, attention.name)
    anatomy_of(model)
    return model


def offload_map(layers: int, cards: int, on_cpu: int) -> dict[str, Place]:
    """The guide's technique 5, complete: the last `on_cpu` layers on the CPU, the others over the cards.

    The guide's own map leaves out the embedding, the final norm and the output matrix, which the library
    refuses. The embedding is with the first layer, norm and output matrix with the last one on a card. Raises
    ValueError unless a layer is left for each card.
    """
    on_cards = layers - on_cpu
    if cards < 1 or on_cpu < 0 or on_cards < cards:
        raise ValueError(f"{layers} layers cannot have {on_cpu} on the CPU and one on each of {cards} cards")
    found: dict[str, Place] = {"model.embed_tokens": 0, "model.rotary_emb": 0}
    for number in range(layers):
        found[f"model.layers.{number}"] = number * cards // on_cards if number < on_cards else "cpu"
    return found | {"model.norm": cards - 1, "lm_head": cards - 1}


def _require_card(device: str) -> None:
    import torch

    if not device.startswith("cuda") or not torch.cuda.is_available():
        raise HarnessError(
            f"there is no device {device!r} here",
            allowed="cpu" + (", cuda" if torch.cuda.is_available() else ""),
        )


def _load_spread(folder: Path, loading: Loading, dtype: str, attention: AttentionName) -> Any:
    transformers = package()
    arguments: dict[str, Any] = {}
    if loading.nf4:
        if saved_quantization(folder) != "none":
            raise HarnessError("its weights are quantized already", where=str(folder))
        arguments["quantization_config"] = _nf4(transformers, dtype)
    if loading.max_memory is not None:
        arguments["max_memory"] = dict(loading.max_memory)
    device_map: Any = loading.device_map
    try:
        with quiet():
            model = transformers.AutoModelForCausalLM.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                dtype=dtype,
                attn_implementation=attention,
                device_map=device_map if isinstance(device_map, str) else dict(device_map),
                **arguments,
            )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise EngineFailure(f"not enough memory to load {folder.name}") from error
        raise HarnessError(f"transformers cannot load it: {error}", where=str(folder)) from error
    return model.eval()


def _nf4(transformers: Any, dtype: str) -> Any:
    """Four-bit weights as the published experiment has them: NF4, doubly quantized.

    Modules that a device map puts on the CPU stay in float there, which the library wants said.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise HarnessError("bitsandbytes is not installed", next_step="make install EXTRA=models")
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_enable_fp32_cpu_offload=True,
    )
