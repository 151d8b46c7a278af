"""Held-out scores over seeds: the same data for both arms, none of it shared with the test."""

import pytest

from harness.prompts.rules import split_set
from harness.prompts.trials.heldout import Heldout, heldout, losses, our_search, seeded, stock_search

pytest.importorskip("gepa")


def test_a_seed_has_data_of_its_own_and_the_test_shares_none_of_it() -> None:
    first, second = (seeded(split_set, 30, seed) for seed in (0, 1))
    parts = [first.train, first.validation, first.test]
    assert [len(part.examples) for part in parts] == [27, 3, 100]
    texts = [each.text for part in parts for each in part.examples]
    assert len(set(texts)) == len(texts)
    assert first.test.digest != second.test.digest
    assert seeded(split_set, 30, 0) == first


def test_both_optimizers_better_the_same_poor_instruction_by_equally_many_calls() -> None:
    pytest.importorskip("dspy")
    stock, ours = (heldout(search, 2) for search in (stock_search(60), our_search(60, 2)))
    assert all(60 <= calls < 60 + 6 * 2 + 3 for each in (stock, ours) for calls in each.metric_calls)
    assert all(f1 > 0.3 for each in (stock, ours) for f1 in each.test_f1)


def test_losses_are_by_seed() -> None:
    assert losses(Heldout((0.5, 1.0), (1, 1)), Heldout((0.75, 0.5), (1, 1))) == [-0.25, 0.5]
