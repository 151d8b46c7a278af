import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.models.checkpoint import TOKENIZER, SavedModel, read_checkpoint, save_checkpoint
from harness.models.gguf.export import FLOATS, export_gguf
from harness.models.gguf.file import read_gguf
from harness.models.gguf.tokenizer import FINE_PIECES, check_tokenizer
from harness.models.heldout.parity import Parity, awkward_texts, parity
from harness.models.qwen2_pieces import with_qwen2_pieces
from harness.models.tokenizer import CHAT_TEMPLATE

SMALL: dict[str, Any] = {
    "vocab_size": 384,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0},
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


@pytest.mark.parametrize(("precision", "largest"), [("f32", 1e-3), ("f16", 0.05)])
def test_logits_and_token_ids_are_those_of_transformers(
    tiny_model: Path, tmp_path: Path, precision: Any, largest: float
) -> None:
    file = export_gguf(read_checkpoint(tiny_model), tmp_path / "tiny.gguf", precision)
    texts = awkward_texts(1000)
    found = parity(tiny_model, file, texts, logits_of=10)
    assert found == Parity(
        found.max_abs_logit_difference, found.top1_agreement, found.tokens, tokenizer_mismatches=0, texts=1000
    )
    assert found.tokens > 100
    assert 0 < found.max_abs_logit_difference < largest
    assert found.top1_agreement >= 0.99


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", ["Qwen3", "Llama"])
def test_other_architectures_agree_too(tiny_model: Path, tmp_path: Path, family: str, tied: bool) -> None:
    import torch
    import transformers
    from tokenizers import Tokenizer

    config = getattr(transformers, f"{family}Config")(**SMALL, head_dim=32, tie_word_embeddings=tied)
    torch.manual_seed(0)
    model = getattr(transformers, f"{family}ForCausalLM")(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    tokenizer = Tokenizer.from_file(str(tiny_model / TOKENIZER))
    save_checkpoint(model, tokenizer, CHAT_TEMPLATE, tmp_path / "model")
    file = export_gguf(read_checkpoint(tmp_path / "model"), tmp_path / "model.gguf", "f32")
    found = parity(tmp_path / "model", file, awkward_texts(20))
    assert found.max_abs_logit_difference < 1e-3
    assert found.top1_agreement == 1
    assert found.tokenizer_mismatches == 0


@pytest.mark.parametrize("precision", FLOATS)
def test_same_checkpoint_same_bytes(tiny_model: Path, tmp_path: Path, precision: Any) -> None:
    moved = Path(shutil.copytree(tiny_model, tmp_path / "elsewhere"))
    one = export_gguf(read_checkpoint(tiny_model), tmp_path / "one.gguf", precision)
    two = export_gguf(read_checkpoint(moved), tmp_path / "two.gguf", precision)
    assert one.read_bytes() == two.read_bytes()
    assert read_gguf(one).precision == precision.upper()
    assert {path.name for path in tmp_path.iterdir()} == {"elsewhere", "one.gguf", "two.gguf"}


def test_the_chat_template_and_special_tokens_are_in_the_file(tiny_gguf: Path) -> None:
    import llama_cpp

    llama = llama_cpp.Llama(str(tiny_gguf), vocab_only=True, verbose=False)
    try:
        assert llama.metadata["tokenizer.chat_template"] == CHAT_TEMPLATE
        assert llama.token_eos() == 2
        assert llama.tokenize(b"<|im_start|>user\n", False, True)[0] == 1
    finally:
        llama.close()


def test_a_weight_too_large_for_f16(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.models.gguf import export as gguf_export

    def large(model: SavedModel) -> Any:
        yield from ((name, tensor * 1e9) for name, tensor in read_tensors(model))

    read_tensors = gguf_export.read_tensors
    monkeypatch.setattr(gguf_export, "read_tensors", large)
    with pytest.raises(HarnessError, match="the largest of f16; export as bf16"):
        export_gguf(read_checkpoint(tiny_model), tmp_path / "x.gguf", "f16")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_precision(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"'q4'.*f32, f16, bf16"):
        export_gguf(read_checkpoint(tiny_model), tmp_path / "x.gguf", "q4")  # type: ignore[arg-type]


def test_an_id_beyond_the_vocabulary(tiny_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "copy"))
    tokenizer = json.loads((folder / TOKENIZER).read_text())
    tokenizer["model"]["vocab"]["zzz"] = 384
    (folder / TOKENIZER).write_text(json.dumps(tokenizer))
    with pytest.raises(HarnessError, match=r"token 'zzz' has id 384, config\.json knows 384"):
        export_gguf(read_checkpoint(folder), tmp_path / "x.gguf")


def plain(tiny_model: Path) -> dict[str, Any]:
    return dict(json.loads((tiny_model / TOKENIZER).read_text()))


def fine(tokenizer: dict[str, Any]) -> None:
    tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = FINE_PIECES


def spanning(tokenizer: dict[str, Any]) -> None:
    fine(tokenizer)
    tokenizer["model"]["vocab"]["Ġthe"] = 383


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["model"].update(type="Unigram"), "its model is 'Unigram'"),
        (lambda t: t["model"].update(byte_fallback=True), "options beside the merges"),
        (lambda t: t.update(normalizer={"type": "Lowercase"}), "normalizes with Lowercase"),
        (lambda t: t.update(post_processor={"type": "TemplateProcessing"}), "adds tokens around"),
        (lambda t: t["added_tokens"][0].update(rstrip=True), "takes white space"),
        (
            lambda t: t.update(pre_tokenizer={"type": "Whitespace"}),
            "^tokenizer.json: .*its pre-tokenizer is another",
        ),
        (lambda t: t.update(pre_tokenizer=None), "pre-tokenizer is another"),
        (spanning, "'Ġthe' spans what its pre-tokenizer keeps apart"),
    ],
)
def test_a_tokenizer_that_llama_cpp_would_read_differently(
    tiny_model: Path, change: Any, message: str
) -> None:
    tokenizer = plain(tiny_model)
    change(tokenizer)
    with pytest.raises(HarnessError, match=message):
        check_tokenizer(tokenizer, "tokenizer.json")


def test_the_tokenizer_as_trained_is_accepted(tiny_model: Path) -> None:
    tokenizer = plain(tiny_model)
    fine(tokenizer)
    check_tokenizer(tokenizer, "tokenizer.json")


def test_qwen2_pieces_keep_the_ids_of_what_was_trained() -> None:
    from models_fixtures import RECIPE

    from harness.models.tokenizer import train_tokenizer

    corpus = list(RECIPE.corpus(RECIPE.seed, RECIPE.tokenizer_texts))
    trained = train_tokenizer(corpus, RECIPE.vocabulary)
    saved = with_qwen2_pieces(trained)
    assert all(trained.encode(text).ids == saved.encode(text).ids for text in corpus)
    assert len(corpus) > 100
