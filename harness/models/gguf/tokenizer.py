"""A tokenizer.json as GGUF keys, and whether llama.cpp will cut a text into the same ids.

llama.cpp does not read a pre-tokenizer's expression; it knows a fixed list by name. "qwen2" is the one here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import Any

from harness.errors import HarnessError
from harness.models.checkpoint import TOKENIZER, SavedModel
from harness.models.packages import package
from harness.models.qwen2_pieces import QWEN2_PIECES
from harness.models.tokenizer import FINE_PIECES


def add_tokenizer(writer: Any, model: SavedModel) -> None:
    """Write tokens, merges, special tokens and chat template; raises HarnessError for another tokenizer."""
    gguf = package("gguf")

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


def _difference(tokenizer: Mapping[str, Any]) -> str:
    """What llama.cpp would do otherwise, empty when nothing."""
    model = tokenizer.get("model") or {}
    if model.get("type") != "BPE" or not model.get("merges") or not isinstance(model.get("vocab"), dict):
        return f"its model is {model.get('type')!r}, not BPE with a vocabulary and merges"
    if any(model.get(key) for key in ("byte_fallback", "dropout", "ignore_merges", "unk_token")):
        return "its BPE has options beside the merges"
    if (tokenizer.get("normalizer") or {"type": "NFC"})["type"] != "NFC":
        return f"it normalizes with {tokenizer['normalizer']['type']}"
    if (tokenizer.get("post_processor") or {"type": "ByteLevel"})["type"] != "ByteLevel":
        return "it adds tokens around a text"
    if any(
        token.get("lstrip") or token.get("rstrip") or token.get("single_word") for token in _added(tokenizer)
    ):
        return "a special token takes white space with it"
    patterns = _patterns(tokenizer.get("pre_tokenizer"))
    if patterns == (QWEN2_PIECES,):
        return ""
    if patterns == (FINE_PIECES,):
        special = {token["content"] for token in _added(tokenizer)}
        learned = (token for token in model["vocab"] if token not in special)
        crossing = next((token for token in learned if _crosses(_token_bytes(token))), None)
        return "" if crossing is None else f"the token {crossing!r} spans what its pre-tokenizer keeps apart"
    return "its pre-tokenizer is another"


def _patterns(pre_tokenizer: Any) -> tuple[str, ...]:
    """The expressions of isolating splits that a byte-level step ends; empty for anything else."""
    steps: list[dict[str, Any]] = (pre_tokenizer or {}).get("pretokenizers") or [{}]
    *splits, last = steps
    if last.get("type") != "ByteLevel" or last.get("add_prefix_space") or last.get("use_regex"):
        return ()
    if any(s.get("type") != "Split" or s.get("behavior") != "Isolated" or s.get("invert") for s in splits):
        return ()
    return tuple(str(split["pattern"].get("Regex")) for split in splits)


def _crosses(token: bytes) -> bool:
    """Whether a token may join what FINE_PIECES separates; then longer pieces would give other ids."""
    try:
        text = token.decode()
    except UnicodeDecodeError:
        # a fragment: of one character, unless a first byte stands inside
        return any(byte >= 0xC0 or byte < 0x80 for byte in token[1:])
    kinds = {_kind(character) for character in text}
    return len(kinds) > 1 or (len(text) > 1 and bool(kinds & {"space", "number"}))


def _kind(character: str) -> str:
    if character.isspace():
        return "space"
    return {"L": "letter", "N": "number"}.get(unicodedata.category(character)[0], "other")


def _token_bytes(token: str) -> bytes:
    alphabet = byte_alphabet()
    return bytes(alphabet[character] for character in token)


@cache
def byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-in of each byte: itself where printable, else the next free one from U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    stand_ins = {chr(byte): byte for byte in printable}
    return stand_ins | {chr(0x100 + index): byte for index, byte in enumerate(others)}


def _tokens(tokenizer: Mapping[str, Any], size: int, where: str) -> tuple[list[str], list[str]]:
    """Text and kind of every id up to the vocabulary's size; ids without a token are UNUSED."""
    tokens = [f"[UNUSED{index}]" for index in range(size)]
    kinds = ["UNUSED"] * size
    added = {token["content"]: token for token in _added(tokenizer)}
    ids = dict(tokenizer["model"]["vocab"]) | {text: token["id"] for text, token in added.items()}
    for text, index in ids.items():
        if not 0 <= index < size:
            raise HarnessError(f"token {text!r} has id {index}, config.json knows {size} tokens", where=where)
        tokens[index] = text
        kinds[index] = "NORMAL"
        if text in added:
            kinds[index] = "CONTROL" if added[text].get("special") else "USER_DEFINED"
    return tokens, kinds


def _added(tokenizer: Mapping[str, Any]) -> list[Any]:
    return list(tokenizer.get("added_tokens") or ())


def _first_id(value: Any) -> int | None:
    """A token id of config.json, where generation may end at several: the first one."""
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, int) else None
