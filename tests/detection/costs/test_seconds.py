"""Intervals hold, time grows with work, and what is said about operations is what torch counts."""

import pytest
from detection.capture.random_models import model_of
from detection.costs.models import GPU_ROWS, MODELS, WEIGHTS, at, operations
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.load import prefill_load
from harness.costmodel.precision import precision_of
from harness.detection.costs import seconds as costs
from harness.detection.costs.rates import cut, cut_share, in_batches, ragtruth, rate
from harness.detection.costs.seconds import parts, seconds, step_time
from harness.detection.costs.structures import (
    OURS,
    PUBLISHED,
    STRUCTURES,
    VECTORIZED,
    Batch,
    equal_samples,
)

TOKENS, SAMPLES = st.integers(64, 4096), st.integers(1, 8)
ANY = st.sampled_from(list(STRUCTURES.values()))
ROW, MODEL, FORMAT = st.sampled_from(GPU_ROWS), st.sampled_from(MODELS), st.sampled_from(WEIGHTS)


@settings(deadline=None)
@given(ANY, ROW, FORMAT, MODEL, TOKENS, SAMPLES)
def test_an_interval_holds_and_twice_as_long_takes_longer(structure, row, weights, model, tokens, count):
    here = at(structure, row, weights, model=model)
    once, twice, more = (
        seconds(here, equal_samples(*each))
        for each in ((tokens, count), (2 * tokens, count), (tokens, 2 * count))
    )
    assert 0 < once.least < once.most
    for other in (twice, more):
        assert once.least < other.least
        assert once.most < other.most


@settings(deadline=None)
@given(ROW, FORMAT, TOKENS)
def test_ours_is_never_slower_than_the_structure_it_came_from(row, weights, tokens):
    batch = equal_samples(tokens)
    ours, vectorized, published = (
        seconds(at(it, row, weights), batch) for it in (OURS, VECTORIZED, PUBLISHED)
    )
    assert ours.least <= vectorized.least
    assert ours.most <= vectorized.most <= published.most


@settings(deadline=None)
@given(ROW, st.integers(512, 4096), SAMPLES)
def test_eager_attention_takes_longer_and_by_the_square(row, tokens, count):
    def attention_s(length):
        eager, fused = (
            parts(
                at(it, row), equal_samples(length, count), precision_of(at(it).weights), slow=False
            ).forward_s
            for it in (VECTORIZED, OURS)
        )
        return eager - fused

    assert attention_s(2 * tokens) > 2 * attention_s(tokens) > 0


@pytest.mark.parametrize("row", GPU_ROWS)
def test_the_forward_pass_of_ours_is_the_cost_models(row):
    here = at(OURS, row)
    precision = precision_of(here.weights)
    step, found = step_time(here, precision), parts(here, equal_samples(867), precision, slow=False)
    host_s = here.shape.layers * step.gpu.launch_s
    whole = costs.soft_maximum(found.forward_s, host_s) + found.fixed_s
    assert whole == pytest.approx(step.seconds(prefill_load(867)))


def test_eight_bits_are_an_interval_of_two_ways_to_multiply():
    batch = equal_samples(2000)
    eight, sixteen = (seconds(at(OURS, weights=weights), batch) for weights in ("int8", "fp16"))
    assert eight.least < sixteen.least
    assert eight.most > sixteen.most


def test_operations_are_those_that_torch_counts():
    torch = pytest.importorskip("torch", reason="needs extra models")
    pytest.importorskip("transformers", reason="needs extra models")
    from harness.detection.capture import fast, straightforward
    from harness.detection.capture.anatomy import anatomy_of
    from harness.detection.capture.kernels import external_of_scores
    from harness.detection.scores.options import PAPER

    model = model_of("llama", 0)
    anatomy, states = anatomy_of(model), torch.rand(4 * fast.LENS_ROWS, 32)
    row, other = torch.rand(2, 61)
    attention, hidden = torch.rand(50), torch.rand(60, 32)
    one, two = (
        operations(
            lambda n=n: fast.parametric(
                anatomy, states[: n * fast.LENS_ROWS], states[: n * fast.LENS_ROWS], PAPER
            )
        )
        for n in (2, 3)
    )
    assert two - one == costs.BLOCK_DIVERGENCE_OPERATIONS
    assert operations(lambda: anatomy.unembed(anatomy.norm(states))) == costs.LOOK_OPERATIONS
    found = operations(lambda: straightforward._external(attention, hidden, 2, 55, 5))
    assert found == pytest.approx(costs.LOOP_EXTERNAL_OPERATIONS, abs=1)
    found = operations(lambda: straightforward._divergence(row, other, PAPER))
    assert found == costs.LOOP_DIVERGENCE_OPERATIONS
    scored = operations(lambda: external_of_scores(torch.rand(4, 10, 50), hidden[:50], hidden[:10], 5))
    assert scored <= costs.BLOCK_EXTERNAL_OPERATIONS
    tokens = torch.zeros(1, 9, dtype=torch.long)
    three, four = (
        operations(lambda m=m: m(tokens)) for m in (model, model_of("llama", 0, num_hidden_layers=4))
    )
    assert four - three == costs.LAYER_OPERATIONS


def test_a_batch_that_does_not_fit_is_halved_and_a_sample_left_out():
    here = at(PUBLISHED, "t4", "nf4_double")
    assert rate(here, (equal_samples(6000, 4),)).too_large_share == 1.0
    assert rate(here, (equal_samples(6000, 4),)).samples_per_min.most == 0.0
    assert rate(here, (equal_samples(1000, 16),)) == rate(here, (equal_samples(1000),) * 16)
    mixed = rate(here, (Batch(((100, 20), (9000, 20))),))
    assert mixed.too_large_share == 0.5
    assert mixed.samples_per_min == rate(here, (Batch(((100, 20),)),)).samples_per_min


def test_the_workload_has_ragtruths_lengths_and_limits_cut_prompts():
    whole = sorted(map(sum, ragtruth()))
    assert len(whole) == 450
    assert whole[225] == pytest.approx(867, rel=0.02)
    assert cut_share(ragtruth(), 10**6) == 0.0
    assert cut(ragtruth(), 10**6) == ragtruth()
    short = cut(ragtruth(), 600)
    assert max(prompt for prompt, _ in short) == 600
    assert 0 < cut_share(ragtruth(), 600) < 1
    batches = in_batches(short, 7)
    assert sorted(one for batch in batches for one in batch.samples) == sorted(short)
    assert [len(batch.samples) for batch in batches] == [7] * 64 + [2]
