"""The fast path agrees with the float64 oracle, and does not care how samples are batched."""

import random

import numpy as np
import pytest
from detection.capture.random_models import VOCABULARY, differences, every_head, model_of, samples_of
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.detection.capture import recording
from harness.detection.capture.anatomy import anatomy_of, longest_of
from harness.detection.capture.fast import score
from harness.detection.capture.layouts import packed_batches, padded_batches, shared_batches
from harness.detection.capture.reference import reference_scores
from harness.detection.capture.straightforward import score_straightforward
from harness.detection.capture.vectorized import score_vectorized
from harness.detection.sample import Sample
from harness.detection.scores.options import OFFICIAL, PAPER, Scoring
from harness.errors import HarnessError

torch = pytest.importorskip("torch", reason="needs extra models")
pytest.importorskip("transformers", reason="needs extra models")

ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3")
LAYERS = [0, 1, 2]
SCORINGS = (PAPER, OFFICIAL, Scoring(k_share=0.5), Scoring(attended="prefix", k_share=1.0))
BATCHES = (padded_batches, packed_batches, shared_batches)
EXTERNAL, PARAMETRIC = 1e-4, 1e-5


def references(model, samples, scoring, heads=None, layers=LAYERS):
    pairs = [reference_scores(model, one, heads or every_head(model), layers, scoring) for one in samples]
    return [scores for scores, _ in pairs], [gaps for _, gaps in pairs]


@pytest.mark.parametrize("batches", BATCHES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 10**6), scoring=st.sampled_from(SCORINGS), budget=st.integers(1, 200))
def test_it_agrees_with_the_oracle(architecture, batches, seed, scoring, budget):
    model, samples = model_of(architecture, seed), samples_of(seed, 4)
    found = score(model, samples, every_head(model), LAYERS, scoring, token_budget=budget, batches=batches)
    wanted, gaps = references(model, samples, scoring)
    external, parametric, ties = differences(found, wanted, gaps)
    largest = max(abs(one.parametric).max() for one in wanted)
    assert external <= EXTERNAL
    assert parametric <= PARAMETRIC * max(1.0, largest)
    assert ties <= 0.05 * sum(gap.size for gap in gaps)
    for one, other in zip(found, wanted, strict=True):
        assert np.array_equal(np.isnan(one.external), np.isnan(other.external))


def test_masks_of_row_blocks_change_nothing(monkeypatch):
    model, samples = model_of("qwen2", 6), samples_of(6, 9)
    whole = score(model, samples, every_head(model), LAYERS)
    monkeypatch.setattr(recording, "MASK_ROWS", 2)
    monkeypatch.setattr(recording, "KEPT_MASKS", 1)
    gaps = [reference_scores(model, one, every_head(model), LAYERS)[1] for one in samples]
    external, parametric, _ = differences(score(model, samples, every_head(model), LAYERS), whole, gaps)
    assert external <= 1e-5
    assert parametric <= 1e-6


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_long_samples_agree_too(architecture):
    model, samples = model_of(architecture, 5), samples_of(5, 2, longest=400, shortest=300)
    found = score(model, samples, every_head(model), LAYERS)
    external, parametric, _ = differences(found, *references(model, samples, PAPER))
    assert external <= EXTERNAL
    assert parametric <= PARAMETRIC


@pytest.mark.parametrize("batches", BATCHES)
@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10**6), budget=st.integers(1, 300))
def test_batched_equals_unbatched_and_any_order_equals_any_other(batches, seed, budget):
    model, samples = model_of("qwen2", seed), samples_of(seed, 7)
    heads = every_head(model)
    alone = [score(model, [one], heads, LAYERS)[0] for one in samples]
    gaps = [reference_scores(model, one, heads, LAYERS)[1] for one in samples]
    order = random.Random(seed).sample(range(len(samples)), len(samples))
    found = score(model, [samples[n] for n in order], heads, LAYERS, token_budget=budget, batches=batches)
    again = [found[order.index(number)] for number in range(len(samples))]
    external, parametric, _ = differences(again, alone, gaps)
    assert external <= 1e-5
    assert parametric <= 1e-5


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_heads_and_layers_come_in_the_order_asked_for(seed):
    model, samples = model_of("qwen3", seed), samples_of(seed, 3)
    every = score(model, samples, every_head(model), LAYERS)
    r = random.Random(seed)
    heads = r.choices(every_head(model), k=5)
    found = score(model, samples, heads, [2, 0, 2])
    for one, whole in zip(found, every, strict=True):
        columns = [layer * 4 + head for layer, head in heads]
        assert np.allclose(one.external, whole.external[:, columns], atol=1e-5)
        assert np.allclose(one.parametric, whole.parametric[:, [2, 0, 2]], atol=1e-6)


@pytest.mark.parametrize("scorer", [score_straightforward, score_vectorized])
@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_slow_arms_agree_with_the_oracle(scorer, scoring, architecture):
    model, samples = model_of(architecture, 3, attention="eager"), samples_of(3, 3)
    found = scorer(model, samples, every_head(model), LAYERS, scoring)
    wanted, gaps = references(model, samples, scoring)
    external, parametric, _ = differences(found, wanted, gaps)
    assert external <= EXTERNAL
    assert parametric <= PARAMETRIC * max(1.0, max(abs(one.parametric).max() for one in wanted))


@pytest.mark.parametrize("scorer", [score_straightforward, score_vectorized])
def test_the_slow_arms_refuse_fused_attention(scorer):
    with pytest.raises(HarnessError, match="fused attention and attention maps"):
        scorer(model_of("llama", 0), samples_of(0, 1), [(0, 0)], [0])


def test_nothing_asked_for_is_nothing_found():
    model, samples = model_of("llama", 0), samples_of(0, 2)
    only_layers, only_heads = score(model, samples, [], [1]), score(model, samples, [(1, 2)], [])
    assert score(model, [], [(0, 0)], [0]) == []
    assert [one.external.shape for one in only_layers] == [(sample.response, 0) for sample in samples]
    assert [one.parametric.shape for one in only_heads] == [(sample.response, 0) for sample in samples]


def test_the_shortest_sample_has_a_score():
    shortest = Sample("s", "g", "QA", (3, 4), 1, (0, 1), (True,))
    model = model_of("mistral", 1)
    found = score(model, [shortest], every_head(model), LAYERS)
    external, parametric, _ = differences(found, *references(model, [shortest], PAPER))
    assert external <= EXTERNAL
    assert parametric <= PARAMETRIC


def test_the_model_is_left_as_it_was():
    model, samples = model_of("qwen2", 4), samples_of(4, 2)
    before = model(torch.tensor([samples[0].tokens])).logits
    score(model, samples, every_head(model), LAYERS)
    assert model.config._attn_implementation == "sdpa"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert (model(torch.tensor([samples[0].tokens])).logits == before).all()


def test_a_failing_pass_leaves_the_model_as_it_was():
    model = model_of("llama", 4)
    beyond = Sample("s", "g", "QA", (3, VOCABULARY + 7, 4), 2, (0, 1), (True,))
    with pytest.raises(IndexError):
        score(model, [beyond], every_head(model), LAYERS)
    assert model.config._attn_implementation == "sdpa"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_sliding_window_is_refused_where_it_would_matter():
    short = Sample("s", "g", "QA", tuple(range(12)), 9, (0, 9), (False,) * 3)
    for architecture in ("mistral", "qwen3"):
        changes = {} if architecture == "mistral" else {"use_sliding_window": True, "max_window_layers": 1}
        model = model_of(architecture, 2, sliding_window=11, **changes)
        assert score(model, [short], [(2, 0)], [0])[0].external.shape == (3, 1)
        with pytest.raises(HarnessError, match="sliding window"):
            score(model_of(architecture, 2, sliding_window=10, **changes), [short], [(2, 0)], [0])


def test_what_the_model_does_not_have_is_refused():
    model, samples = model_of("llama", 0), samples_of(0, 1)
    for heads, layers in (([(3, 0)], []), ([(0, 4)], []), ([], [3]), ([(-1, 0)], [])):
        with pytest.raises(HarnessError, match="the model has no"):
            score(model, samples, heads, layers)
    long = Sample("s", "g", "QA", (1,) * 600, 590, (0, 9), (False,) * 10)
    with pytest.raises(HarnessError, match="window"):
        score(model, [long], [(0, 0)], [])
    model.config.model_type = "gpt2"
    with pytest.raises(HarnessError, match="architecture 'gpt2'"):
        score(model, samples, [(0, 0)], [])


def test_states_that_are_no_numbers_are_refused():
    model = model_of("llama", 3)
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight[0, 0] = float("inf")
    with pytest.raises(HarnessError, match="states are not finite for some of the samples 's0'"):
        score(model, samples_of(1, 1), every_head(model), [0])
    assert model.config._attn_implementation == "sdpa"


def test_a_window_is_the_shorter_of_both():
    assert longest_of(anatomy_of(model_of("llama", 0))) == 512
    assert longest_of(anatomy_of(model_of("mistral", 0, sliding_window=16))) == 16
