"""How Qwen2 cuts a text into pieces before BPE: the one way that every engine here knows.

transformers (and so vLLM) gives a model of type qwen2 or qwen3 Qwen2's tokenizer class, with these pieces and
NFC, whatever tokenizer.json says; llama.cpp knows the same pieces by the name "qwen2", without NFC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

QWEN2_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


def with_qwen2_pieces(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokens and merges behind Qwen2's pieces and NFC.

    Ids stay the same where no merge crosses what the tokenizer kept apart so far, but for words that start
    after an apostrophe ('re|ady) and text that is not in NFC.
    """
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.normalizer = normalizers.NFC()
    copy.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return copy
