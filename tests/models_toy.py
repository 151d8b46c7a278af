"""A recipe that trains in seconds, and an engine that says what a script tells it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from harness.engines.protocol import (
    Capability,
    Completion,
    FinishReason,
    Forward,
    Request,
    Ticket,
)
from harness.models.example import Example
from harness.models.recipes import Recipe
from harness.models.tasks import entities


def _draw(r: random.Random, pool: int) -> Example:
    return entities.copying(r) if pool < 0 else entities.example(r, "train", sentences=1)


TOY = Recipe(
    name="toy",
    draw=_draw,
    corpus=entities.corpus,
    tags=entities.TYPES,
    vocabulary=300,
    steps=8,
    lengths=(8, 200),
    layers=2,
    hidden=64,
    intermediate=64,
    heads=2,
    kv_heads=1,
    context_tokens=256,
    batch_tokens=1024,
    warmup=2,
    copy_steps=2,
    early_pools=1,
    tokenizer_texts=60,
)


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sums in one order, small pools, and torch's threads afterwards as before."""
    import torch

    from harness.models.training import batches

    monkeypatch.setattr(batches, "POOL", 24)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class ScriptedEngine:
    """Answers at once: `script` gives text and finish reason for a rendered prompt."""

    name = "scripted"
    context_tokens = 4096

    def __init__(self, script: Callable[[str], tuple[str, FinishReason]]) -> None:
        self._script = script
        self.requests: list[Request] = []

    @property
    def lacks(self) -> Mapping[Capability, str]:
        return {}

    def submit(self, request: Request) -> Ticket:
        assert isinstance(request.prompt, str)
        self.requests.append(request)
        ticket = Ticket(request)
        text, reason = self._script(request.prompt)
        ticket.finish(Completion(text, (), len(request.prompt), len(text), reason, ticket.timings()))
        return ticket

    def tokenize(self, text: str) -> list[int]:
        return list(text.encode())

    def forward(
        self, token_ids: Sequence[int], wants: frozenset[Capability], rows: Sequence[int] = ()
    ) -> Forward:
        return Forward(tokens=len(token_ids))

    def close(self) -> None:
        pass
