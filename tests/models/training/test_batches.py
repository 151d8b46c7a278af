"""Batches: what is learnt from, who sees whom, and that a batch is the same whenever it is made."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from models_toy import TOY

from harness.models.example import END, Example, Span, Turn, prompts
from harness.models.tasks import answers, entities, fields
from harness.models.tokenizer import train_tokenizer
from harness.models.training import batches
from harness.models.training.batches import (
    IGNORED,
    Batch,
    Encoded,
    collate,
    encode,
    pool_batches,
    random_copies,
)
from harness.models.training.trainer import new_model

TAGS = {kind: index for index, kind in enumerate(entities.TYPES)}
TWO_TURNS = Example(
    "Answer.",
    "Marta met Igor — in Lisbon.\n",
    (Turn("Who went?", "Marta, Igor"), Turn("Where is it?", "Lisbon (café)"), Turn("When?", "never")),
    (Span(0, 5, "person"), Span(10, 14, "person"), Span(20, 26, "place")),
)


@cache
def tokenizer() -> Any:
    return train_tokenizer(entities.corpus(1, 100), 320)


@cache
def model() -> Any:
    import torch

    torch.manual_seed(3)
    made = new_model(replace(TOY, vocabulary=320)).eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "norm" not in name:
                # wide enough that every token that is seen changes the logits
                parameter.normal_(std=0.2)
    return made


def encoded(example: Example) -> Encoded:
    return encode(example, tokenizer(), TAGS)


def logits(batch: Batch) -> Any:
    import torch

    with torch.no_grad():
        out = model()(batch.ids, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False)
    return out.logits


def rows(example: Encoded, turn: int) -> list[int]:
    return [place for place, number in enumerate(example.turn) if number == turn]


def test_labels_are_the_answers_with_their_end_marks_and_nothing_else() -> None:
    found = encoded(TWO_TURNS)
    for number, turn in enumerate(TWO_TURNS.turns, start=1):
        learnt = [place for place in rows(found, number) if found.labels[place] != IGNORED]
        assert learnt == rows(found, number)[-len(learnt) :]
        assert [found.labels[place] for place in learnt] == [found.ids[place] for place in learnt]
        text = tokenizer().decode([found.labels[place] for place in learnt], skip_special_tokens=False)
        assert text == turn.answer + END
    assert {found.labels[place] for place in rows(found, 0)} == {IGNORED}


def test_every_turn_goes_on_where_the_shared_text_ends() -> None:
    found = encoded(TWO_TURNS)
    shared = len(rows(found, 0))
    assert found.turn == sorted(found.turn)
    assert [found.positions[place] for place in rows(found, 0)] == list(range(shared))
    for number in (1, 2, 3):
        at = rows(found, number)
        assert [found.positions[place] for place in at] == list(range(shared, shared + len(at)))
    lengths = {len(column) for column in (found.ids, found.positions, found.turn, found.labels, found.tags)}
    assert lengths == {len(found.ids)}


@pytest.mark.parametrize("task", [entities, fields, answers], ids=lambda task: task.__name__)
def test_a_turn_has_the_token_ids_of_its_whole_prompt_and_answer(task: Any) -> None:
    r = random.Random(task.__name__)
    for _ in range(5):
        example = task.example(r, "train")
        found = encode(example, tokenizer(), {span.label: 0 for span in example.spans})
        for number, (prompt, turn) in enumerate(zip(prompts(example), example.turns, strict=True), start=1):
            alone = tokenizer().encode(prompt, add_special_tokens=False).ids
            alone += tokenizer().encode(turn.answer + END, add_special_tokens=False).ids
            assert [found.ids[at] for at in rows(found, 0) + rows(found, number)] == alone


def test_tags_mark_the_first_and_the_other_tokens_of_every_span() -> None:
    found = encoded(TWO_TURNS)
    names: list[tuple[int, list[int]]] = []
    for token, tag in zip(found.ids, found.tags, strict=True):
        if tag > 0 and tag % 2 == 1:
            names.append(((tag - 1) // 2, [token]))
        elif tag > 0:
            assert (tag - 2) // 2 == names[-1][0]
            names[-1][1].append(token)
    labelled = [(kind, tokenizer().decode(tokens)) for kind, tokens in names]
    assert labelled == [(TAGS[span.label], TWO_TURNS.text[span.start : span.end]) for span in TWO_TURNS.spans]
    text = [token for token, tag in zip(found.ids, found.tags, strict=True) if tag != IGNORED]
    assert tokenizer().decode(text) == TWO_TURNS.text


def test_a_turn_does_not_see_the_others() -> None:
    import torch

    packed = encoded(TWO_TURNS)
    together = logits(collate([packed]))[0]
    for number, turn in enumerate(TWO_TURNS.turns, start=1):
        alone = encoded(replace(TWO_TURNS, turns=(turn,)))
        batch = collate([alone])
        assert batch.mask is None
        at = rows(packed, 0) + rows(packed, number)
        torch.testing.assert_close(together[at], logits(batch)[0], atol=1e-4, rtol=1e-4)
    # and it is the mask that keeps them apart
    seen = logits(replace(collate([packed]), mask=None))[0]
    last = rows(packed, 3)[-1]
    assert (seen[last] - together[last]).abs().max() > 0.01


@pytest.mark.parametrize("turns", [1, 3])
def test_padding_changes_nothing(turns: int) -> None:
    import torch

    short = encoded(replace(TWO_TURNS, turns=TWO_TURNS.turns[:turns]))
    long = encoded(replace(TWO_TURNS, text="A longer entry about nothing. " * 4 + "\n", spans=()))
    alone, beside = collate([short]), collate([short, long])
    count = len(short.ids)
    assert beside.ids.shape == (2, len(long.ids))
    torch.testing.assert_close(logits(alone)[0], logits(beside)[0, :count], atol=1e-4, rtol=1e-4)
    assert (beside.labels[0, count:] == IGNORED).all()
    assert (beside.tags[0, count:] == IGNORED).all()
    assert not logits(beside).isnan().any()


def pool(seed: str, tokens: int = 600, lengths: tuple[int, int] = (8, 400)) -> list[Batch]:
    draw: Callable[[random.Random], Example] = lambda r: entities.example(r, "train")  # noqa: E731
    return pool_batches(draw, encoded, seed, tokens, lengths)


@pytest.fixture
def _small_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "POOL", 60)


def same(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        a.ids.equal(b.ids) and a.labels.equal(b.labels) and a.tags.equal(b.tags)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.usefixtures("_small_pools")
def test_a_pool_is_the_same_for_a_seed_and_another_for_another() -> None:
    assert same(pool("a"), pool("a"))
    assert not same(pool("a"), pool("b"))


@pytest.mark.usefixtures("_small_pools")
def test_a_pool_holds_every_example_of_a_fitting_length_once_in_batches_that_fit() -> None:
    r = random.Random("a")
    drawn = [encoded(entities.example(r, "train")) for _ in range(60)]
    fitting = sorted(one.ids for one in drawn if 80 <= len(one.ids) <= 150)
    assert 0 < len(fitting) < 60
    made = pool("a", tokens=600, lengths=(80, 150))
    assert all(batch.ids.numel() <= 600 for batch in made)
    found = [[int(token) for token in row if token] for batch in made for row in batch.ids]
    assert sorted(found) == fitting


@pytest.mark.usefixtures("_small_pools")
def test_the_length_that_is_bounded_is_that_of_the_shared_text_and_the_first_turn() -> None:
    one = encoded(replace(TWO_TURNS, turns=TWO_TURNS.turns[:1]))
    exact = (len(one.ids), len(one.ids))
    made = pool_batches(lambda r: TWO_TURNS, encoded, "x", 4000, exact)
    assert sum(len(batch.ids) for batch in made) == 60
    with pytest.raises(ValueError, match="none of 60 examples"):
        pool_batches(lambda r: TWO_TURNS, encoded, "x", 4000, (exact[0] + 1, 4000))


def test_random_copies_teach_the_second_half_only() -> None:
    import torch

    for seed in range(20):
        batch = random_copies(torch.Generator().manual_seed(seed), 300, 4)
        learnt = (batch.labels != IGNORED).sum(dim=1)
        assert len(set(learnt.tolist())) == 1
        count = int(learnt[0])
        assert batch.ids[:, -count:].equal(batch.ids[:, 1 : count + 1])
        assert batch.labels[:, -count:].equal(batch.ids[:, -count:])
        assert int(batch.ids.min()) >= 3
        assert (batch.tags == IGNORED).all()
        assert batch.positions.equal(torch.arange(batch.ids.shape[1]).expand(4, -1))
