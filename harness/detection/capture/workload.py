"""Samples of random tokens with RAGTruth's lengths, to measure speed on where its texts may not be had."""

from __future__ import annotations

import math
import random

from harness.detection.sample import Sample

PROMPT_MEDIAN, PROMPT_SPREAD = 683, 0.40
RESPONSE_MEDIAN, RESPONSE_SPREAD = 184, 0.40
PER_SOURCE = 6
"""RAGTruth's test set with Llama-2's tokenizer: median tokens, standard deviation of their logarithm; each
source has responses of six models."""


def ragtruth_like(
    seed: int, sources: int, vocabulary: int, *, per_source: int = PER_SOURCE, longest: int = 2048
) -> list[Sample]:
    """`per_source` samples for each source, which share its prompt; none above `longest` tokens.

    The context is all of the prompt but its first and last 16 tokens. Lognormal lengths. Raises ValueError
    where `longest` leaves no room for a prompt.
    """
    if longest < 96 or vocabulary < 2:
        raise ValueError("samples have at least 96 tokens, of a vocabulary of two or more")
    r = random.Random(f"workload {seed}")
    found = []
    for source in range(sources):
        prefix = _length(r, PROMPT_MEDIAN, PROMPT_SPREAD, 64, longest - 32)
        prompt = tuple(r.randrange(vocabulary) for _ in range(prefix))
        for number in range(per_source):
            length = _length(r, RESPONSE_MEDIAN, RESPONSE_SPREAD, 8, longest - prefix)
            answer = tuple(r.randrange(vocabulary) for _ in range(length))
            labels = tuple(False for _ in answer)
            name, context = f"{source}-{number}", (16, prefix - 16)
            found.append(Sample(name, str(source), "QA", prompt + answer, prefix, context, labels))
    return found


def of_lengths(seed: int, prefix: int, response: int, count: int, vocabulary: int) -> list[Sample]:
    """Samples of random tokens, all with the same lengths and none with the same prompt."""
    r = random.Random(f"lengths {seed}")
    found = []
    for number in range(count):
        tokens = tuple(r.randrange(vocabulary) for _ in range(prefix + response))
        found.append(Sample(str(number), str(number), "QA", tokens, prefix, (0, prefix), (False,) * response))
    return found


def _length(r: random.Random, median: int, spread: float, shortest: int, longest: int) -> int:
    return max(shortest, min(longest, round(median * math.exp(r.gauss(0.0, spread)))))
