"""What is asked of the engine of one precision: answers to all prompts, and logits of the gold answers."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.engines.protocol import Capability, Engine, Request, Sampling, generate
from harness.models.example import END
from harness.models.heldout.evaluation import ANSWER_TOKENS
from harness.models.heldout.prompts import Prompt
from harness.models.precisions.distances import TokenDistances, token_distances

_LOGITS: frozenset[Capability] = frozenset({"logits"})


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids of each prompt, and of its gold answer with the end token."""

    prompts: tuple[tuple[int, ...], ...]
    answers: tuple[tuple[int, ...], ...]

    @property
    def sha256(self) -> str:
        """Over all ids: engines that can be compared have the same."""
        return hashlib.sha256(json.dumps([self.prompts, self.answers]).encode()).hexdigest()

    @property
    def answer_lengths(self) -> tuple[int, ...]:
        """Tokens of each gold answer."""
        return tuple(map(len, self.answers))


@dataclass(frozen=True, slots=True)
class Answers:
    """Greedy answers, None for one that did not end; what they took together."""

    texts: tuple[str | None, ...]
    completion_tokens: int
    seconds: float


def tokens_of(engine: Engine, prompts: Sequence[Prompt]) -> Tokens:
    """The prompts and gold answers in the engine's tokens."""
    return Tokens(
        tuple(tuple(engine.tokenize(prompt.prompt)) for prompt in prompts),
        tuple(tuple(engine.tokenize(prompt.answer + END)) for prompt in prompts),
    )


def answer(engine: Engine, tokens: Tokens) -> Answers:
    """Answers to all prompts, handed over at once so that the engine may batch, after one to warm up."""
    generate(engine, [Request(tokens.prompts[0], Sampling(max_tokens=1))])
    start = time.perf_counter()
    done = generate(engine, [Request(ids, Sampling(max_tokens=ANSWER_TOKENS)) for ids in tokens.prompts])
    seconds = time.perf_counter() - start
    texts = tuple(each.text if each.finish_reason == "stop" else None for each in done)
    return Answers(texts, sum(each.completion_tokens for each in done), seconds)


def save_gold_logits(engine: Engine, tokens: Tokens, path: Path) -> None:
    """Write the logits that predict the gold answers' tokens, [tokens of all, vocabulary], float32 .npy."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        whole, start = None, 0
        for prompt, gold in zip(tokens.prompts, tokens.answers, strict=True):
            rows = _gold_logits(engine, prompt, gold)
            if whole is None:
                shape = (sum(tokens.answer_lengths), rows.shape[1])
                whole = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float32, shape=shape)
            whole[start : start + len(rows)] = rows
            start += len(rows)
        del whole
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def gold_distances(engine: Engine, tokens: Tokens, path: Path) -> list[TokenDistances]:
    """Each gold answer's distances from the reference, whose logits `save_gold_logits` wrote to `path`."""
    reference = np.load(path, mmap_mode="r", allow_pickle=False)
    ends = list(itertools.accumulate(tokens.answer_lengths, initial=0))
    return [
        token_distances(reference[start:end], _gold_logits(engine, prompt, gold))
        for prompt, gold, (start, end) in zip(
            tokens.prompts, tokens.answers, itertools.pairwise(ends), strict=True
        )
    ]


def _gold_logits(engine: Engine, prompt: tuple[int, ...], gold: tuple[int, ...]) -> NDArray[np.float32]:
    """Row i predicts token i of the gold answer: rows from the prompt's last token to the last but one."""
    logits: NDArray[np.float32] = engine.forward([*prompt, *gold], _LOGITS).logits
    return logits[len(prompt) - 1 : -1]
