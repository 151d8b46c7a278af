"""Maps are quadratic, ours is linear, nothing shrinks with length; limits are where memory ends."""

import pytest
from detection.costs.models import GPU_ROWS, MODELS, ROWS, WEIGHTS, at
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.detection.costs.memory import fits, largest_batch, longest_sample, memory
from harness.detection.costs.structures import (
    OURS,
    PUBLISHED,
    STRUCTURES,
    VECTORIZED,
    Batch,
    equal_samples,
    halves,
    setting,
)
from harness.errors import HarnessError

TOKENS, SAMPLES = st.integers(64, 8192), st.integers(1, 16)
ANY = st.sampled_from(list(STRUCTURES.values()))
WITH_MAPS = st.sampled_from([PUBLISHED, VECTORIZED])
MODEL = st.sampled_from(MODELS)


@given(ANY, TOKENS, st.integers(1, 1000), SAMPLES, MODEL, st.sampled_from(WEIGHTS))
def test_longer_samples_and_larger_batches_need_more(structure, tokens, more, count, model, weights):
    here = at(structure, weights=weights, model=model)
    needed = memory(here, equal_samples(tokens, count)).total
    assert needed < memory(here, equal_samples(tokens + more, count)).total
    assert needed < memory(here, equal_samples(tokens, count + 1)).total


@given(WITH_MAPS, TOKENS, SAMPLES, MODEL)
def test_maps_grow_with_the_square_of_the_length(structure, tokens, count, model):
    here = at(structure, model=model)
    once, twice = (memory(here, equal_samples(tokens * n, count)).maps for n in (1, 2))
    assert twice == 4 * once > 0


@given(TOKENS, SAMPLES, MODEL)
def test_ours_grows_at_most_in_proportion_and_has_no_maps(tokens, count, model):
    here = at(OURS, model=model)
    once, twice = (memory(here, equal_samples(tokens * n, count)) for n in (1, 2))
    assert once.maps == once.cache == 0.0
    # rounding of the response's share may add a token to it
    assert twice.total - twice.weights <= 2 * (once.total - once.weights) * (1 + 2 / tokens)


@given(TOKENS, SAMPLES, MODEL)
def test_each_structure_needs_less_than_the_one_before(tokens, count, model):
    batch = equal_samples(tokens, count)
    needed = [memory(at(one, model=model), batch).total for one in (PUBLISHED, VECTORIZED, OURS)]
    assert needed == sorted(needed, reverse=True)


@given(TOKENS)
def test_maps_are_those_of_all_layers_and_heads(tokens):
    kept = memory(at(VECTORIZED), equal_samples(tokens)).maps
    all_layers = 2 * 32 * 32 * tokens**2
    assert all_layers < kept < 1.2 * all_layers


@given(ANY, TOKENS, st.sampled_from(WEIGHTS))
def test_two_cards_need_less_each_but_more_than_half_together(structure, tokens, weights):
    one, two = (memory(at(structure, "t4x2", weights, n), equal_samples(tokens)).total for n in (1, 2))
    assert one / 2 < two < one


@pytest.mark.parametrize("row", GPU_ROWS)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_limits_are_where_memory_ends(row, weights, structure):
    here = at(structure, row, weights)
    longest, largest = longest_sample(here), largest_batch(here, 1000)
    assert longest == 0 or fits(here, equal_samples(longest))
    assert not fits(here, equal_samples(max(longest + 1, 2)))
    assert largest == 0 or fits(here, equal_samples(1000, largest))
    assert not fits(here, equal_samples(1000, largest + 1))


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=9))
def test_halves_lose_nothing(samples):
    batch = Batch(tuple(samples))
    parts = halves(batch)
    assert sum((part.samples for part in parts), ()) == (batch.samples if len(samples) > 1 else ())


@settings(max_examples=20)
@given(st.integers(2, 5000))
def test_an_equal_sample_has_the_tokens_asked_for(tokens):
    assert equal_samples(tokens, 3).tokens == 3 * tokens
    assert len(equal_samples(tokens, 3).samples) == 3


def test_what_cannot_be_modelled_is_said():
    with pytest.raises(HarnessError, match="GPUs only") as error:
        setting(ROWS["cpu"], "fp16", OURS)
    assert error.value.exit_code == 3
    with pytest.raises(ValueError, match="a prompt and a response"):
        Batch(((5, 0),))
    with pytest.raises(ValueError, match="a batch has a sample"):
        Batch(())
