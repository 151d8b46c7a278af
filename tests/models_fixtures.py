"""A small random model, made by the project's own code, for every test that needs a real one."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.models.checkpoint import read_checkpoint, save_checkpoint
from harness.models.gguf.export import export_gguf
from harness.models.gguf.quantize import quantize
from harness.models.recipes import ENTITIES
from harness.models.tokenizer import CHAT_TEMPLATE, train_tokenizer
from harness.models.training.trainer import new_model

RECIPE = replace(ENTITIES, layers=2, vocabulary=384, tokenizer_texts=200)


def write_tiny_model(folder: Path) -> Path:
    """Qwen2: hidden 256, 2 layers, 4 heads, 2 kv heads, 384 tokens, context 2048; random weights."""
    import torch

    torch.manual_seed(RECIPE.seed)
    model = new_model(RECIPE)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # wide enough that what the model says depends on the prompt, and biases that are not zero
            if "norm" not in name:
                parameter.normal_(std=0.08)
    tokenizer = train_tokenizer(RECIPE.corpus(RECIPE.seed, RECIPE.tokenizer_texts), RECIPE.vocabulary)
    save_checkpoint(model, tokenizer, CHAT_TEMPLATE, folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint folder (bf16 safetensors)."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny_gguf(tiny_model: Path) -> Path:
    """The same model as f16 GGUF."""
    return export_gguf(read_checkpoint(tiny_model), tiny_model.parent / "tiny-f16.gguf", "f16")


@pytest.fixture(scope="session")
def tiny_q4(tiny_model: Path) -> Path:
    """The same model as Q4_K_M GGUF."""
    return quantize(tiny_model, "Q4_K_M", tiny_model.parent / "tiny-Q4_K_M.gguf")
