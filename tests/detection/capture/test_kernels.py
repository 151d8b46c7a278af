"""The kernels against plain definitions, with ties and extreme logits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.detection.capture import kernels
from harness.detection.scores import oracle

torch = pytest.importorskip("torch", reason="needs extra models")

SEEDS = st.integers(0, 10**6)


@settings(deadline=None)
@given(
    values=st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=30), share=st.floats(0, 1)
)
def test_of_equal_scores_the_first_win(values, share):
    k = max(1, math.floor(share * len(values)))
    scores = torch.tensor([values, values[::-1]])
    indices = kernels.taken(scores, k)
    assert torch.equal(kernels._taken_on_card(scores, k), indices)
    for row, given_ in zip(indices, (values, values[::-1]), strict=True):
        assert sorted(oracle.top(given_, k)) == row.tolist()


@settings(deadline=None)
@given(seed=SEEDS, spread=st.sampled_from([0.01, 1.0, 20.0, 300.0]), shift=st.floats(-1e3, 1e3))
def test_divergences_by_entropies_are_the_definitions(seed, spread, shift):
    r = np.random.default_rng(seed)
    p = r.normal(0, spread, (5, 40)).astype(np.float32)
    q = (p + r.normal(0, spread / 3, p.shape)).astype(np.float32)
    for divergence in ("jensen_shannon", "reversed_kl"):
        wanted = [_divergence(*pair, divergence) for pair in zip(p, q, strict=True)]
        found = kernels.divergence_of_logits(torch.tensor(p), torch.tensor(q), divergence)
        assert np.allclose(found.numpy(), wanted, rtol=2e-6, atol=3e-6)
        again = kernels.divergence_of_logits(torch.tensor(p + np.float32(shift)), torch.tensor(q), divergence)
        assert np.allclose(again.numpy(), wanted, rtol=1e-4, atol=2e-4)


def _divergence(p, q, divergence):
    log_p, log_q = oracle.log_softmax(p.astype(float)), oracle.log_softmax(q.astype(float))
    log_m = np.logaddexp(log_p, log_q) - math.log(2)
    if divergence == "jensen_shannon":
        return (np.exp(log_p) @ (log_p - log_m) + np.exp(log_q) @ (log_q - log_m)) / 2
    return (np.exp(log_m) @ (log_m - log_p) + np.exp(log_m) @ (log_m - log_q)) / 2


@settings(deadline=None)
@given(seed=SEEDS, block=st.integers(1, 400))
def test_row_blocks_change_nothing(seed, block):
    r = torch.Generator().manual_seed(seed)
    groups = [(torch.randn(n, 9, 4, generator=r), torch.randn(11, 4, generator=r)) for n in (2, 1)]
    attended, own = torch.randn(11, 6, generator=r), torch.randn(9, 6, generator=r)
    scores = torch.cat([queries @ keys.T for queries, keys in groups])
    whole = kernels.external_of_scores(scores, attended, own, 2)
    before, kernels.SELECTION_ELEMENTS = kernels.SELECTION_ELEMENTS, block
    try:
        found = kernels.external(groups, attended, own, 2)
    finally:
        kernels.SELECTION_ELEMENTS = before
    assert torch.allclose(found, whole, atol=1e-6)


def test_nothing_taken_is_no_score():
    found = kernels.external([(torch.ones(2, 3, 4), torch.ones(5, 4))], torch.ones(5, 6), torch.ones(3, 6), 0)
    assert found.shape == (3, 2)
    assert found.isnan().all()


@settings(deadline=None)
@given(seed=SEEDS, rows=st.integers(1, 9), threads=st.integers(1, 4))
def test_threads_change_nothing(seed, rows, threads):
    scores = torch.randint(0, 6, (rows, 12), generator=torch.Generator().manual_seed(seed)).float()
    alone = kernels.taken(scores, 3)
    before, kernels.THREADED_ELEMENTS = kernels.THREADED_ELEMENTS, 1
    had = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert torch.equal(kernels.taken(scores, 3), alone)
    finally:
        kernels.THREADED_ELEMENTS = before
        torch.set_num_threads(had)
