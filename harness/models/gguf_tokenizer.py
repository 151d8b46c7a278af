"""A tokenizer.json as GGUF keys, and whether llama.cpp will cut a text into the same ids.

llama.cpp does not read a pre-tokenizer's expression; it knows a fixed list by name. "qwen2" is the one here.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

from harness.errors import HarnessError
from harness.models.checkpoint import TOKENIZER, SavedModel

# of llama.cpp's "qwen2", which is the one in Qwen2's and Qwen3's own tokenizer.json
QWEN2_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
# ours: words, digits and punctuation apart, white space alone
FINE_PIECES = r"\s|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"


def add_tokenizer(writer: Any, model: SavedModel) -> None:
    """Write tokens, merges, special tokens and chat template; raises HarnessError for another tokenizer."""
    import gguf

    where = str(model.folder / TOKENIZER)
    check_tokenizer(model.tokenizer, where)
    tokens, kinds = _tokens(model.tokenizer, model.shape.vocabulary, where)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([getattr(gguf.TokenType, kind) for kind in kinds])
    merges = model.tokenizer["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    ids = {key: _first_id(model.config.get(f"{key}_token_id")) for key in ("bos", "eos", "pad")}
    for key, add in (
        ("bos", writer.add_bos_token_id),
        ("eos", writer.add_eos_token_id),
        ("pad", writer.add_pad_token_id),
    ):
        if ids[key] is not None:
            add(ids[key])
    writer.add_add_bos_token(False)
    if model.chat_template:
        writer.add_chat_template(model.chat_template)


def check_tokenizer(tokenizer: Mapping[str, Any], where: str) -> None:
    """Raise HarnessError unless llama.cpp's "qwen2" gives the ids of this tokenizer.json."""
    reason = _difference(tokenizer)
    if reason:
        raise HarnessError(
            f"llama.cpp would cut texts differently: {reason}",
            where=where,
            allowed="byte-level BPE with the pre-tokenizer of Qwen2 or of this project",
            next_step="convert it with llama.cpp's own convert_hf_to_gguf.py",
        )
