"""Load a checkpoint folder with transformers: local files, safetensors, no code but the library's own."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.engines.protocol import EngineFailure
from harness.errors import HarnessError

Precision = Literal["checkpoint", "bfloat16", "float16", "float32"]
Quantization = Literal["none", "nf4", "int8"]
AttentionName = Literal["flash_attention_2", "sdpa", "eager"]

# FlashAttention-2's kernels: Ampere and later.
FLASH_CAPABILITY = (8, 0)


@dataclass(frozen=True, slots=True)
class Attention:
    """Which implementation runs, and why."""

    name: AttentionName
    reason: str


@dataclass(frozen=True, slots=True)
class Card:
    """What flash attention needs: a CUDA card's capability (None for a CPU), and its package."""

    capability: tuple[int, int] | None
    has_flash: bool


def choose_attention(wanted: AttentionName | None, card: Card, dtype: str, masks: bool) -> Attention:
    """`wanted`, or the fastest that this hardware and this way of batching (`masks`: own masks) can run.

    Raises HarnessError when flash attention is asked for and cannot run.
    """
    missing = _flash_lacks(card, dtype, masks)
    if wanted == "flash_attention_2" and missing:
        raise HarnessError(f"flash_attention_2 cannot run: {missing}", allowed="sdpa, eager")
    if wanted is not None:
        return Attention(wanted, "asked for")
    if missing:
        return Attention("sdpa", f"no flash_attention_2: {missing}")
    return Attention("flash_attention_2", "the package and a card for it are there")


def _flash_lacks(card: Card, dtype: str, masks: bool) -> str:
    if card.capability is None:
        return "it needs a CUDA card"
    if card.capability < FLASH_CAPABILITY:
        have, need = (".".join(map(str, numbers)) for numbers in (card.capability, FLASH_CAPABILITY))
        return f"the card has compute capability {have}, it needs {need}"
    if not card.has_flash:
        return "the package flash-attn is not installed (make install EXTRA=gpu)"
    if dtype not in ("bfloat16", "float16"):
        return f"it runs in bfloat16 and float16, not in {dtype}"
    return "slots need a mask of their own, which it does not take" if masks else ""


def card_of(device: str) -> Card:
    """What this machine has."""
    import torch

    on_card = device.startswith("cuda")
    capability = torch.cuda.get_device_capability(device) if on_card else None
    return Card(capability, importlib.util.find_spec("flash_attn") is not None)


def package() -> Any:
    """The transformers library; raises HarnessError when it, torch or accelerate is missing."""
    for name in ("torch", "transformers", "accelerate"):
        if importlib.util.find_spec(name) is None:
            raise HarnessError(f"{name} is not installed", next_step="make install EXTRA=models")
    return importlib.import_module("transformers")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's progress bars and warnings off the terminal meanwhile; its errors stay."""
    library = importlib.import_module("transformers.utils.logging")
    verbosity, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity_error()
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(verbosity)
        if bars:
            library.enable_progress_bar()


def load_model(
    folder: Path, device: str, precision: Precision, quantization: Quantization, attention: AttentionName
) -> Any:
    """The causal language model in the folder, in evaluation mode.

    A folder that `save_quantized` wrote is loaded as it is. Raises HarnessError when weights are missing,
    truncated or do not fit the config, or another quantization is asked for than the folder has, and
    EngineFailure when memory runs out.
    """
    transformers = package()
    _check_weights(folder)
    arguments: dict[str, Any] = {}
    saved = saved_quantization(folder)
    if saved == "none" and quantization != "none":
        arguments["quantization_config"] = _quantization_config(
            transformers, quantization, dtype_of(folder, precision)
        )
    elif quantization not in ("none", saved):
        raise HarnessError(f"the weights are saved as {saved}, not as {quantization}", where=str(folder))
    try:
        with quiet():
            model, loading = transformers.AutoModelForCausalLM.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                dtype="auto" if precision == "checkpoint" else precision,
                attn_implementation=attention,
                device_map={"": device},
                output_loading_info=True,
                **arguments,
            )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise EngineFailure(f"not enough memory to load {folder.name}") from error
        raise HarnessError(f"transformers cannot load it: {_first_line(error)}", where=str(folder)) from error
    wrong = sorted(loading["missing_keys"]) + sorted(str(key) for key in loading["mismatched_keys"])
    if wrong:
        raise HarnessError(
            f"{len(wrong)} tensors are missing or of another shape, first {wrong[0]}",
            where=str(folder),
            next_step="fetch the checkpoint again",
        )
    return model.eval()


def load_tokenizer(folder: Path) -> Any:
    """The folder's tokenizer; raises HarnessError without a readable one."""
    try:
        with quiet():
            tokenizer = package().AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise HarnessError(f"no readable tokenizer: {_first_line(error)}", where=str(folder)) from error
    if not tokenizer.is_fast:
        raise HarnessError("the tokenizer has no tokenizer.json", where=str(folder))
    return tokenizer


def dtype_of(folder: Path, precision: Precision) -> str:
    """The type to compute in: what is asked for, or the weights' by config.json (float32 if it is silent)."""
    if precision != "checkpoint":
        return precision
    config = _config(folder)
    return str(config.get("dtype") or config.get("torch_dtype") or "float32")


def saved_quantization(folder: Path) -> str:
    """ "nf4", "int8", another method's name, or "none": how config.json says the weights are stored."""
    stored = _config(folder).get("quantization_config")
    if not stored:
        return "none"
    if stored.get("load_in_8bit"):
        return "int8"
    return str(stored.get("bnb_4bit_quant_type") or stored.get("quant_method"))


def save_quantized(folder: Path, out: Path, kind: Literal["nf4", "int8"]) -> Path:
    """Quantize a checkpoint once and save it, with its tokenizer, in a new folder that loads faster.

    Raises HarnessError when `out` exists or the checkpoint cannot be loaded.
    """
    if out.exists():
        raise HarnessError("it exists already", where=str(out), next_step="remove it or give another name")
    if saved_quantization(folder) != "none":
        raise HarnessError("its weights are quantized already", where=str(folder))
    model = load_model(folder, "cpu", "checkpoint", kind, "sdpa")
    partial = out.with_name(f"{out.name}.{os.getpid()}.partial")
    try:
        with quiet():
            model.save_pretrained(partial)
        for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            if (folder / name).is_file():
                shutil.copyfile(folder / name, partial / name)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on the card or in main memory (torch has no class for the latter)."""
    import torch

    texts = ("not enough memory", "DefaultCPUAllocator", "CUDA out of memory")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in texts)
    )


def _quantization_config(transformers: Any, kind: Quantization, dtype: str) -> Any:
    if importlib.util.find_spec("bitsandbytes") is None:
        raise HarnessError("bitsandbytes is not installed", next_step="make install EXTRA=models")
    if kind == "int8":
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
    )


def _config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise HarnessError("there is no such folder", where=str(folder), next_step="give a checkpoint folder")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HarnessError(f"no readable config.json: {_first_line(error)}", where=str(folder)) from None
    if not isinstance(config, dict):
        raise HarnessError("config.json is no JSON object", where=str(folder))
    return config


def _check_weights(folder: Path) -> None:
    from safetensors import SafetensorError, safe_open

    _config(folder)
    names = [path.name for path in folder.glob("*.safetensors")]
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (OSError, ValueError, KeyError, AttributeError):
            raise HarnessError("no readable weight_map", where=str(index)) from None
    if not names:
        raise HarnessError("there are no weights in safetensors", where=str(folder))
    for name in names:
        try:
            with safe_open(folder / name, "pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise HarnessError(
                f"missing, truncated or damaged: {_first_line(error)}",
                where=str(folder / name),
                next_step="fetch the file again",
            ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
