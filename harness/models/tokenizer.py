"""Byte-level BPE whose merges never cross white space, so a word is split alike anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.models.example import END, PAD, START

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LONGEST_TOKEN = 14
# Each white space character, letters, each digit, and signs stand alone.
FINE_PIECES = r"\s|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A tokenizer of exactly `vocabulary` tokens, trained on the texts; digits stand alone.

    llama.cpp's pre-tokenizer "qwen2" splits more coarsely. Both give the same ids but where a word follows a
    contraction's apostrophe, and `save_checkpoint` therefore writes the pieces of "qwen2". Raises ValueError
    when the texts are too few for so many tokens.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(byte_fallback=False))
    pieces = pre_tokenizers.Split(Regex(FINE_PIECES), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pieces, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=2,
        show_progress=False,
        max_token_length=LONGEST_TOKEN,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() != vocabulary:
        raise ValueError(f"the texts give {tokenizer.get_vocab_size()} tokens instead of {vocabulary}")
    return tokenizer
