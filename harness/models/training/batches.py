"""Training batches: a stateless stream, so step N is the same batch however often a run was interrupted."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.models.example import END, Example, continuation, prefix

if TYPE_CHECKING:
    import torch

IGNORED = -100
# Examples are drawn in pools and sorted by length inside one: little padding, batches in random order.
POOL = 768


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as tokens. Turn i owns tokens with `turn` i + 1; 0 is the shared prefix."""

    ids: list[int]
    positions: list[int]
    turn: list[int]
    labels: list[int]
    tags: list[int]


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of [examples, tokens]; `mask` [examples, 1, tokens, tokens], None where causal is enough."""

    ids: torch.Tensor
    positions: torch.Tensor
    labels: torch.Tensor
    tags: torch.Tensor
    mask: torch.Tensor | None


def encode(example: Example, tokenizer: Any, tag_ids: dict[str, int]) -> Encoded:
    """Tokens of the whole example; labels only on answers, tags only on the tokens of the user's text.

    Tags are 0 outside spans, 1 + 2 * label at a span's first token, 2 + 2 * label inside.
    """
    beginning = prefix(example)
    shared = tokenizer.encode(beginning, add_special_tokens=False)
    ids, count = list(shared.ids), len(shared.ids)
    offset = len(beginning) - len(example.text)
    tags = [IGNORED if end <= offset else 0 for _, end in shared.offsets]
    for span in example.spans:
        for place, (start, _) in enumerate(shared.offsets):
            if offset + span.start <= start < offset + span.end:
                tags[place] = 1 + 2 * tag_ids[span.label] + (start > offset + span.start)
    positions, turns, labels = list(range(count)), [0] * count, [IGNORED] * count
    for number, turn in enumerate(example.turns, start=1):
        asked = tokenizer.encode(continuation(turn), add_special_tokens=False).ids
        answer = tokenizer.encode(turn.answer + END, add_special_tokens=False).ids
        ids += asked + answer
        positions += range(count, count + len(asked) + len(answer))
        turns += [number] * (len(asked) + len(answer))
        labels += [IGNORED] * len(asked) + answer
    return Encoded(ids, positions, turns, labels, tags + [IGNORED] * (len(ids) - count))


def collate(examples: Sequence[Encoded]) -> Batch:
    """Pad to the longest example. Attention sees the prefix and the own turn only."""
    import torch

    longest = max(len(example.ids) for example in examples)

    def padded(rows: list[list[int]], filler: int) -> torch.Tensor:
        return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])

    mask = None
    if any(max(example.turn) > 1 for example in examples):
        turn = padded([example.turn for example in examples], 0)
        causal = torch.ones(longest, longest, dtype=torch.bool).tril()
        same = turn[:, :, None] == turn[:, None, :]
        mask = (causal & (same | (turn == 0)[:, None, :]))[:, None]
    return Batch(
        ids=padded([example.ids for example in examples], 0),
        positions=padded([example.positions for example in examples], 0),
        labels=padded([example.labels for example in examples], IGNORED),
        tags=padded([example.tags for example in examples], IGNORED),
        mask=mask,
    )


def on_device(batch: Batch, device: str) -> Batch:
    """The batch where the model is."""
    mask = None if batch.mask is None else batch.mask.to(device)
    return Batch(
        ids=batch.ids.to(device),
        positions=batch.positions.to(device),
        labels=batch.labels.to(device),
        tags=batch.tags.to(device),
        mask=mask,
    )


def pool_batches(
    draw: Callable[[random.Random], Example],
    encode_one: Callable[[Example], Encoded],
    seed: str,
    tokens: int,
    lengths: tuple[int, int],
) -> list[Batch]:
    """The batches of one pool, each of at most `tokens` padded tokens, in random order.

    Examples whose prefix and first turn are outside `lengths` (tokens) are left out; raises ValueError when
    that leaves none.
    """
    r = random.Random(seed)
    encoded = (encode_one(draw(r)) for _ in range(POOL))
    kept = sorted(
        (e for e in encoded if lengths[0] <= _single_length(e) <= lengths[1]), key=lambda e: len(e.ids)
    )
    if not kept:
        raise ValueError(f"none of {POOL} examples has {lengths[0]} to {lengths[1]} tokens")
    groups: list[list[Encoded]] = [[]]
    for example in kept:
        if len(example.ids) * (len(groups[-1]) + 1) > tokens:
            groups.append([])
        groups[-1].append(example)
    groups = [group for group in groups if group]
    r.shuffle(groups)
    return [collate(group) for group in groups]


def _single_length(example: Encoded) -> int:
    return sum(1 for turn in example.turn if turn <= 1)


def random_copies(generator: torch.Generator, vocabulary: int, rows: int) -> Batch:
    """Random tokens, a random gap, the same tokens again: only an induction circuit can predict the copy."""
    import torch

    length, gap = (
        int(torch.randint(low, high, (1,), generator=generator)) for low, high in ((6, 33), (1, 9))
    )
    once = torch.randint(3, vocabulary, (rows, length), generator=generator)
    between = torch.randint(3, vocabulary, (rows, gap), generator=generator)
    ids = torch.cat([once, between, once], dim=1)
    labels = ids.clone()
    labels[:, : length + gap + 1] = IGNORED
    positions = torch.arange(ids.shape[1]).expand_as(ids)
    return Batch(ids, positions, labels, torch.full_like(ids, IGNORED), None)
