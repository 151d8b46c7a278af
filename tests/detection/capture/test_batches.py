"""Plans hold each sample once, and their waste is what counting token by token says."""

import numpy as np
import pytest
from detection.capture.random_models import samples_of
from hypothesis import given
from hypothesis import strategies as st

from harness.detection.capture import layouts
from harness.detection.capture.batches import (
    Plan,
    guide_batch_size,
    in_buckets,
    in_random_order,
    packed_under,
    sorted_under,
    waste,
)
from harness.detection.capture.layouts import shared_batches
from harness.detection.sample import Sample

LENGTHS = st.lists(st.integers(1, 9000), min_size=1, max_size=40)
BUDGET = st.integers(1, 12000)


@given(lengths=LENGTHS, budget=BUDGET, seed=st.integers(0, 99))
def test_each_plan_holds_each_sample_once_and_packing_wastes_nothing(lengths, budget, seed):
    plans = [
        in_random_order(lengths, 8, seed), in_buckets(lengths), sorted_under(lengths, budget),
        packed_under(lengths, budget),
    ]  # fmt: skip
    counted = [waste(plan, lengths) for plan in plans]
    assert {one.needed_tokens for one in counted} == {sum(lengths)}
    assert all(one.padding_share >= 0 and one.attention_inflation >= 1 for one in counted)
    assert (counted[3].padding_share, counted[3].attention_inflation) == (0, 1)
    for plan in plans[2:]:
        for batch in plan.batches:
            rows = [lengths[n] for n in batch]
            taken = sum(rows) if plan.is_packed else max(rows) * len(rows)
            assert taken <= budget or len(batch) == 1


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=9), size=st.integers(1, 4))
def test_waste_is_what_counting_pairs_says(lengths, size):
    plan = in_random_order(lengths, size, 1)
    tokens = pairs = 0
    for batch in plan.batches:
        width = max(lengths[n] for n in batch)
        for _ in batch:
            tokens += width
            pairs += int(np.tril(np.ones((width, width))).sum())
    found = waste(plan, lengths)
    assert (found.computed_tokens, found.computed_pairs) == (tokens, pairs)


@given(lengths=LENGTHS)
def test_buckets_are_the_guides(lengths):
    for batch in in_buckets(lengths).batches:
        lower = {lengths[n] // 1000 * 1000 for n in batch}
        assert len(lower) == 1
        assert len(batch) <= guide_batch_size(lower.pop())


def test_the_guides_batch_sizes():
    assert [guide_batch_size(n) for n in (0, 999, 1000, 2000, 4000, 6000)] == [16, 16, 8, 4, 2, 1]


def test_a_plan_that_forgets_or_repeats_is_refused():
    for batches in (((0,),), ((0, 1), (1,))):
        with pytest.raises(ValueError, match="each sample once"):
            waste(Plan(batches), [3, 4])


@given(seed=st.integers(0, 10**6), budget=st.integers(1, 200))
def test_layouts_feed_each_sample_its_own_tokens_at_their_positions(seed, budget):
    samples = samples_of(seed, 8)
    for batches in (layouts.padded_batches, layouts.packed_batches, layouts.shared_batches):
        seen = []
        for layout in batches(samples, budget):
            seen += [place.number for place in layout.places]
            for place in layout.places:
                sample = samples[place.number]
                row = layout.tokens[place.row]
                prompt = slice(place.start, place.start + sample.prefix)
                assert tuple(row[prompt]) == sample.tokens[: sample.prefix]
                assert tuple(row[place.queries]) == sample.tokens[sample.prefix - 1 : -1]
                at = layout.positions[place.row, place.queries]
                assert at.tolist() == list(range(sample.prefix - 1, len(sample.tokens) - 1))
        assert sorted(seen) == list(range(len(samples)))


@given(seed=st.integers(0, 10**6))
def test_pieces_cover_a_packed_row_once(seed):
    samples = samples_of(seed, 8)
    for layout in layouts.shared_batches(samples, 100):
        covered = [n for piece in layout.pieces for n in range(piece.start, piece.end)]
        assert sorted(covered) == list(range(layout.tokens.shape[1]))


def test_a_shared_prompt_is_read_once():
    samples = samples_of(11, 12)
    shared = sum(layout.tokens.size for layout in layouts.shared_batches(samples, 10**6))
    prompts = {one.tokens[: one.prefix] for one in samples}
    assert shared == sum(map(len, prompts)) + sum(one.response - 1 for one in samples)


def test_a_prompt_with_a_thousand_responses_is_read_in_parts():
    prompt = tuple(range(50))
    many = [
        Sample(str(n), "g", "QA", (*prompt, *([n % 7] * 20)), 50, (0, 50), (False,) * 20) for n in range(1000)
    ]
    found = shared_batches(many, 300)
    assert sorted(place.number for layout in found for place in layout.places) == list(range(1000))
    assert max(layout.tokens.shape[1] for layout in found) <= 300
    # six responses to a long prompt stay together, whatever the budget
    six = [Sample(str(n), "g", "QA", (*range(50), *([n] * 20)), 50, (0, 50), (False,) * 20) for n in range(6)]
    assert [layout.tokens.shape[1] for layout in shared_batches(six, 10)] == [50 + 6 * 19]
