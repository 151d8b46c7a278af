"""Whether a GGUF file is its checkpoint: token ids and logits, llama.cpp against transformers."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.engines.protocol import EngineFailure
from harness.engines.transformers_loading import load_model, load_tokenizer
from harness.errors import HarnessError
from harness.models.checkpoint import SavedModel, read_checkpoint
from harness.models.gguf.file import read_gguf
from harness.models.packages import package

# what tokenizers trip over: letters of many scripts, numbers that are no digits, white space, contractions
_PIECES = (
    *"abeimnorstzAÉßñçД日本가ا 0123456789٣²½①Ⅷ'’\"“-—…€$+=<>|^~`_.,;:!?()[]{}#@&%*/\\",
    *("\n", "\r\n", "\t", "\u00a0", "\u3000", "\u2003", "\u200b", "😀", "👍🏽"),
    *(
        "'s",
        "'re",
        "'LL",
        "O'",
        "  ",
        " \n\n",
        "the",
        " in",
        "Marta",
        " North",
        "person",
        '{"',
        '":["',
        '"]}',
    ),
)


@dataclass(frozen=True, slots=True)
class Parity:
    """`max_abs_logit_difference` and `top1_agreement` (a share) are over `tokens` predicted tokens.

    `tokenizer_mismatches` counts the `texts` whose ids differ; those take no part in the logits.
    """

    max_abs_logit_difference: float
    top1_agreement: float
    tokens: int
    tokenizer_mismatches: int
    texts: int


def parity(checkpoint: Path, gguf: Path, texts: Sequence[str], logits_of: int = 50) -> Parity:
    """Compare token ids of all texts, and logits (float32 on both sides) of the first `logits_of`.

    Raises HarnessError for a file that is not what it should be, and where there is nothing to compare.
    """
    model, file = read_checkpoint(checkpoint), read_gguf(gguf)
    if file.architecture != model.shape.architecture:
        raise HarnessError(
            f"it is a {file.architecture}, the checkpoint a {model.shape.architecture}", where=str(gguf)
        )
    tokenizer = load_tokenizer(checkpoint)
    ids = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    longest = max((len(row) for row in ids), default=0)
    if longest > model.shape.context_tokens:
        raise HarnessError(f"a text has {longest} tokens", allowed=f"at most {model.shape.context_tokens}")
    llama = _llama(gguf, max(longest, 1))
    try:
        same = [
            row == llama.tokenize(text.encode(), False, True) for row, text in zip(ids, texts, strict=True)
        ]
        compared = [row for row, is_same in zip(ids, same, strict=True) if is_same and row][:logits_of]
        if not compared:
            raise HarnessError("no text gives the same token ids on both sides", where=str(gguf))
        differences = _logit_differences(model, llama, compared)
    finally:
        llama.close()
    tokens = sum(len(row) for row in compared)
    return Parity(
        max_abs_logit_difference=max(largest for largest, _ in differences),
        top1_agreement=sum(agreeing for _, agreeing in differences) / tokens,
        tokens=tokens,
        tokenizer_mismatches=same.count(False),
        texts=len(texts),
    )


def awkward_texts(count: int, seed: int = 0) -> list[str]:
    """Texts that tokenizers disagree on when they disagree at all: scripts, spaces, quotes, contractions.

    In NFC, the form that transformers brings a text into and llama.cpp expects.
    """
    r = random.Random(f"awkward {seed}")
    drawn = ("".join(r.choices(_PIECES, k=r.randint(1, 40))) for _ in range(count))
    return [unicodedata.normalize("NFC", text) for text in drawn]


def _llama(gguf: Path, context_tokens: int) -> Any:
    """All logits kept; keys and values in float32, which llama.cpp would round to float16."""
    llama_cpp = package("llama_cpp")

    try:
        return llama_cpp.Llama(
            str(gguf),
            n_ctx=context_tokens,
            n_batch=context_tokens,
            logits_all=True,
            type_k=llama_cpp.GGML_TYPE_F32,
            type_v=llama_cpp.GGML_TYPE_F32,
            verbose=False,
        )
    except (ValueError, RuntimeError) as error:
        raise EngineFailure(f"llama.cpp cannot load {gguf}: {error}") from None


def _logit_differences(model: SavedModel, llama: Any, rows: Sequence[list[int]]) -> list[tuple[float, int]]:
    """Per row of token ids: the largest logit difference, and on how many tokens the likeliest one agrees."""
    import torch

    reference = load_model(model.folder, "cpu", "float32", "none", "eager")
    found = []
    for row in rows:
        with torch.inference_mode():
            ours = reference(torch.tensor([row])).logits[0].numpy()
        llama.reset()
        llama.eval(row)
        theirs = llama.scores[: len(row)]
        agreeing = int((ours.argmax(1) == theirs.argmax(1)).sum())
        found.append((float(abs(ours - theirs).max()), agreeing))
    return found
