"""The divergence rule: its corners, its symmetries, and how often it is right on planted drops."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure.divergence import (
    decide,
    drop_per_example,
    examples_needed,
    explain,
    judge_divergence,
    score_interval,
)

RANK = {"pass": 0, "inconclusive": 1, "fail": 2}
seeds = st.integers(0, 2**32 - 1)
# eighths, so that halving and adding are exact
scores = st.integers(0, 8).map(lambda k: k / 8)
drops = st.floats(-1.0, 1.0, allow_subnormal=False)
sds = st.floats(1e-3, 10.0)


@st.composite
def score_pairs(draw, least=2, most=30):
    pairs = draw(st.lists(st.tuples(scores, scores), min_size=least, max_size=most))
    return np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])


@st.composite
def count_pairs(draw, least=2, most=30):
    """Counts of two answers to the same examples: the things to find are the same."""
    higher, lower = [], []
    for _ in range(draw(st.integers(least, most))):
        wanted = draw(st.integers(0, 4))
        for arm in (higher, lower):
            found = draw(st.integers(0, wanted))
            arm.append((found, draw(st.integers(0, 3)), wanted - found))
    return np.array(higher), np.array(lower)


either = st.one_of(score_pairs(), count_pairs())


def judged(higher, lower, **options):
    return judge_divergence(higher, lower, **{"resamples": 100, **options})


def f1(counts):
    tp, fp, fn = np.asarray(counts).sum(axis=0)
    return 2 * tp / (2 * tp + fp + fn)


def planted(rng, n, drop, base=0.9, swaps=0.03):
    """Right or wrong answers of two precisions whose expected scores differ by `drop`, relative.

    Each also gets right what the other gets wrong, in `swaps` of the cases, so that pairs differ anyway.
    """
    higher = rng.random(n) < base
    kept, won = rng.random(n) >= drop + swaps, rng.random(n) < swaps * base / (1 - base)
    return higher.astype(float), np.where(higher, kept, won).astype(float)


# what is computed


def test_scores_drop_and_points():
    found = judge_divergence([1.0, 0.5, 0.5, 0.0], [0.5, 0.5, 0.5, 0.0])
    assert (found.n, found.higher, found.lower, found.drop) == (4, 0.5, 0.375, 0.25)
    assert found.points == 12.5
    assert (found.limit, found.confidence) == (0.05, 0.95)


@given(count_pairs())
def test_counts_are_micro_f1(pair):
    higher, lower = pair
    found = judged(higher, lower)
    if found.decision == "undefined":
        assert higher[:, 0].sum() == 0
        return
    assert found.higher == pytest.approx(f1(higher))
    assert found.lower == pytest.approx(f1(lower))
    assert found.drop == pytest.approx(1 - f1(lower) / f1(higher))


def test_right_and_wrong_as_counts_are_the_same_as_scores():
    higher, lower = planted(np.random.default_rng(1), 300, 0.1)
    as_counts = [np.column_stack([right, 1 - right, 1 - right]) for right in (higher, lower)]
    one, other = judge_divergence(higher, lower), judge_divergence(*as_counts)
    assert one == replace(other, paired_sd=one.paired_sd)
    assert one.paired_sd == pytest.approx(other.paired_sd)


def test_interval_is_that_of_the_pairs():
    """The same scores shuffled against each other say much less."""
    rng = np.random.default_rng(2)
    higher = rng.random(400)
    lower = 0.98 * higher
    paired, apart = judge_divergence(higher, lower), judge_divergence(higher, rng.permutation(lower))
    assert paired.high - paired.low < 1e-9
    assert apart.high - apart.low > 0.05
    assert (paired.decision, apart.decision) == ("pass", "inconclusive")


def test_paired_sd_is_that_of_the_delta_method():
    higher, lower = planted(np.random.default_rng(3), 4000, 0.05)
    found = judge_divergence(higher, lower)
    width = found.high - found.low
    assert 2 * 1.96 * found.paired_sd / math.sqrt(4000) == pytest.approx(width, rel=0.05)


@given(either, seeds)
def test_the_same_input_is_judged_the_same_in_any_order(pair, seed):
    higher, lower = pair
    order = np.random.default_rng(seed).permutation(len(higher))
    found, again = judged(higher, lower, seed=seed), judged(higher[order], lower[order], seed=seed)
    assert again == replace(found, paired_sd=again.paired_sd) or math.isnan(found.drop)
    assert again.paired_sd == pytest.approx(found.paired_sd, nan_ok=True)
    assert again.decision == found.decision


@given(score_pairs())
def test_scale_of_the_scores_does_not_matter(pair):
    higher, lower = pair
    found, halved = judged(higher, lower), judged(higher / 2, lower / 2)
    assert halved.decision == found.decision
    if found.decision != "undefined":
        assert (halved.drop, halved.low, halved.high) == (found.drop, found.low, found.high)


@given(either)
def test_interval_holds_the_drop_and_neither_exceeds_everything(pair):
    found = judged(*pair)
    if found.decision != "undefined":
        assert found.low <= found.drop <= found.high <= 1.0


@given(either)
def test_swapped_arms_never_both_fail_and_the_points_turn(pair):
    higher, lower = pair
    there, back = judged(higher, lower), judged(lower, higher)
    assert back.points == -there.points or math.isnan(there.points)
    if "undefined" not in (there.decision, back.decision) and there.drop < 1:
        assert 1 - back.drop == pytest.approx(1 / (1 - there.drop))
        assert (there.decision, back.decision) != ("fail", "fail")


@pytest.mark.parametrize("drop", [0.0, 0.1, 0.3])
def test_swapped_arms_have_the_interval_turned(drop):
    higher, lower = planted(np.random.default_rng(4), 2000, drop)
    there, back = judge_divergence(higher, lower), judge_divergence(lower, higher)
    assert 1 - 1 / (1 - there.low) == pytest.approx(back.high, abs=0.004)
    assert 1 - 1 / (1 - there.high) == pytest.approx(back.low, abs=0.004)
    assert back.decision == "pass"


# corners


@given(st.one_of(score_pairs(), count_pairs()))
def test_identical_results_pass_unless_there_is_nothing_to_drop_from(pair):
    higher, _ = pair
    found = judged(higher, higher)
    if found.higher > 0:
        assert (found.drop, found.low, found.high, found.decision) == (0.0, 0.0, 0.0, "pass")
    else:
        assert found.decision == "undefined"


def test_an_improvement_passes():
    lower, higher = planted(np.random.default_rng(5), 500, 0.2)
    found = judge_divergence(higher, lower)
    assert found.high < 0 < found.lower
    assert (found.decision, found.points < 0) == ("pass", True)


def test_losing_everything_fails():
    found = judge_divergence([1.0] * 10, [0.0] * 10)
    assert (found.drop, found.low, found.high, found.decision) == (1.0, 1.0, 1.0, "fail")


@pytest.mark.parametrize("lower", [[0.0, 0.0], [1.0, 0.5]])
def test_nothing_drops_from_a_score_of_zero(lower):
    found = judge_divergence([0.0, 0.0], lower)
    assert found.decision == "undefined"
    assert all(math.isnan(x) for x in (found.drop, found.low, found.high))
    assert found.needed is None
    assert explain(found) == (
        "undefined: the higher precision scores 0 on 2 paired examples, there is nothing to drop from"
    )


def test_nothing_counted_is_undefined_too():
    found = judge_divergence([[0, 0, 0]], [[0, 0, 0]])
    assert (found.decision, math.isnan(found.higher)) == ("undefined", True)
    assert "counts nothing on 1 paired example," in explain(found)


def test_one_example_decides_nothing():
    for lower in (1.0, 0.0):
        found = judge_divergence([1.0], [lower])
        assert (found.decision, found.needed) == ("inconclusive", None)
    assert "1 paired example, which has no interval" in explain(found)


def test_a_higher_precision_that_is_hardly_ever_right_bounds_nothing():
    found = judge_divergence([1.0] + [0.0] * 9, [0.0, 1.0] + [0.0] * 8)
    assert (found.low, found.high, found.decision) == (-math.inf, 1.0, "inconclusive")
    assert "[-inf, 100.0]" in explain(found)


def test_exactly_the_limit_is_neither_over_nor_under_it():
    higher, lower = np.ones(100), np.ones(100)
    lower[:5] = 0
    found = judge_divergence(higher, lower)
    assert (found.drop, found.decision, found.needed) == (0.05, "inconclusive", None)
    assert explain(found).endswith("no number of examples would decide a drop at the limit")
    evenly = judge_divergence(higher, np.full(100, 0.95))
    assert evenly.high == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("higher", "lower", "said"),
    [
        ([], [], "at least one example"),
        (np.empty((0, 3)), np.empty((0, 3)), "at least one example"),
        ([[1, 2]], [[1, 2]], "at least one example"),
        (0.5, 0.5, "at least one example"),
        ([0.5], [0.5, 0.5], "one shape"),
        ([0.5, 1.0, 1.0], [[1, 0, 0]], "one shape"),
        ([0.5], [math.nan], "between 0 and 1"),
        ([1.01], [0.5], "between 0 and 1"),
        ([0.5], [-0.01], "between 0 and 1"),
        ([[1, 0, -1]], [[1, 0, -1]], "whole numbers"),
        ([[1, 0, math.inf]], [[1, 0, 0]], "whole numbers"),
        ([[1, 0.5, 0]], [[1, 0, 0]], "whole numbers"),
        ([[1, 0, 1], [1, 0, 0]], [[2, 0, 0], [1, 0, 1]], "pair 1 is not one example: 1 and 2"),
    ],
)
def test_what_is_no_pair_of_results_is_refused(higher, lower, said):
    with pytest.raises(ValueError, match=said):
        judge_divergence(higher, lower)


@pytest.mark.parametrize("wrong", [{"limit": 0.0}, {"limit": 1.0}, {"limit": math.nan}, {"confidence": 1.0}])
def test_limits_outside_their_range_are_refused(wrong):
    with pytest.raises(ValueError, match="between 0 and 1"):
        judge_divergence([1.0], [1.0], **wrong)


# the decision


@pytest.mark.parametrize(
    ("drop", "low", "high", "decision"),
    [
        (0.06, 0.01, 0.11, "fail"),
        (0.06, 0.0, 0.12, "inconclusive"),  # touching 0 is not clear of it
        (0.05, 0.04, 0.06, "inconclusive"),  # the limit itself is not over it
        (0.04, 0.03, 0.05, "inconclusive"),
        (0.04, 0.03, 0.049, "pass"),
        (0.04, -0.01, 0.09, "inconclusive"),
        (-0.10, -0.2, -0.01, "pass"),
        (0.06, -math.inf, 1.0, "inconclusive"),
    ],
)
def test_decisions(drop, low, high, decision):
    assert decide(drop, low, high, 0.05) == decision


@given(drops, st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 1.0), st.floats(0.01, 0.5))
def test_a_larger_drop_is_never_judged_better_and_a_higher_limit_never_worse(drop, left, right, more, limit):
    before = RANK[decide(drop, drop - left, drop + right, limit)]
    assert RANK[decide(drop + more, drop + more - left, drop + more + right, limit)] >= before
    assert RANK[decide(drop, drop - left, drop + right, limit + more)] <= before


@given(drops, st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 1.0))
def test_a_longer_interval_never_decides_what_a_shorter_one_left_open(drop, left, right, share):
    long = decide(drop, drop - left, drop + right, 0.05)
    short = decide(drop, drop - share * left, drop + share * right, 0.05)
    assert long in ("inconclusive", short)


@pytest.mark.parametrize(
    ("drop", "expected"),
    [
        (0.00, {"pass": (1.0, 1.0)}),
        (0.02, {"pass": (0.97, 1.0), "fail": (0.0, 0.0)}),
        (0.03, {"fail": (0.0, 0.03)}),
        (0.05, {"pass": (0.0, 0.05), "fail": (0.35, 0.65)}),  # over the limit half of the time
        (0.07, {"pass": (0.0, 0.0), "fail": (0.95, 1.0)}),
        (0.10, {"fail": (1.0, 1.0)}),
    ],
)
def test_planted_drops_of_two_thousand_examples(drop, expected):
    runs = 100
    decided = Counter(
        judge_divergence(
            *planted(np.random.default_rng([77, run]), 2000, drop), seed=run, resamples=400
        ).decision
        for run in range(runs)
    )
    for decision, (least, most) in expected.items():
        assert least <= decided[decision] / runs <= most, decided


def test_a_small_drop_on_few_examples_is_inconclusive_with_the_number_that_decides():
    higher, lower = planted(np.random.default_rng(0), 100, 0.02)
    found = judge_divergence(higher, lower)
    assert found.decision == "inconclusive"
    assert found.needed > 100
    assert explain(found).endswith(f"100 paired examples; about {found.needed:,} would decide")


@given(either)
def test_only_the_inconclusive_ask_for_more_examples_than_they_had(pair):
    found = judged(*pair)
    assert found.needed is None or (found.decision == "inconclusive" and found.needed > found.n)


# sample size


@given(drops, sds, st.floats(1.01, 5.0))
def test_more_noise_needs_more_examples(drop, sd, factor):
    one, more = examples_needed(drop, sd), examples_needed(drop, factor * sd)
    if one is None:
        assert drop == 0.05
    else:
        assert more >= one


@given(sds, st.floats(0.0, 0.5), st.floats(0.001, 0.5), st.sampled_from([-1, 1]))
def test_closer_to_the_limit_needs_more_examples(sd, near, further, side):
    far = examples_needed(0.05 + side * (near + further), sd)
    close = examples_needed(0.05 + side * near, sd)
    assert close is None or close >= far


def test_sample_size_under_the_limit_is_the_formula():
    assert examples_needed(0.01, 0.4) == math.ceil(((1.959964 + 0.841621) * 0.4 / 0.04) ** 2)
    assert examples_needed(0.01, 0.0) == 2
    assert examples_needed(0.05, 0.4) is None
    assert examples_needed(0.01, math.nan) is None


@pytest.mark.parametrize("drop", [-0.02, 0.0, 0.02, 0.056, 0.07, 0.2])
def test_sample_size_decides_as_often_as_it_says(drop):
    sd = math.sqrt(0.1)  # about what planted pairs have
    n = examples_needed(drop, sd)
    error = sd / math.sqrt(n)
    estimates = np.random.default_rng(9).normal(drop, error, 4000)
    wanted = "pass" if drop < 0.05 else "fail"
    right = np.mean([decide(x, x - 1.96 * error, x + 1.96 * error, 0.05) == wanted for x in estimates])
    assert right == pytest.approx(0.8, abs=0.025)


@pytest.mark.parametrize(("drop", "wanted"), [(0.01, "pass"), (0.10, "fail")])
def test_sample_size_holds_for_real_pairs(drop, wanted):
    large = judge_divergence(*planted(np.random.default_rng(10), 200_000, drop), resamples=50)
    n = examples_needed(drop, large.paired_sd)
    decided = [
        judge_divergence(*planted(np.random.default_rng([11, run]), n, drop), resamples=400).decision
        for run in range(300)
    ]
    assert decided.count(wanted) / 300 == pytest.approx(0.8, abs=0.1)


# one precision alone, and in words


def test_score_of_one_precision_has_an_interval():
    score, low, high = score_interval(np.repeat([1.0, 0.0], [450, 50]))
    assert score == 0.9
    assert (low, high) == (pytest.approx(0.872, abs=0.006), pytest.approx(0.924, abs=0.006))
    assert score_interval([[2, 0, 0], [1, 0, 0]]) == (1.0, 1.0, 1.0)
    assert score_interval([0.3]) == (0.3, 0.0, 1.0)
    assert all(math.isnan(x) for x in score_interval([[0, 0, 0], [0, 0, 0]]))


@given(count_pairs())
def test_score_interval_stays_in_range(pair):
    score, low, high = score_interval(pair[0], resamples=100)
    assert math.isnan(score) or 0.0 <= low <= score <= high <= 1.0


def test_a_failure_in_words():
    higher, lower = np.ones(500), np.repeat([1.0, 0.0], [400, 100])
    assert explain(judge_divergence(higher, lower)) == (
        "fail: score 1.000 -> 0.800, drop 20.0 % [16.8, 23.8] (95 %), 20.0 points; limit 5 %; "
        "500 paired examples"
    )


def test_identical_results_say_what_they_still_allow():
    same = [1.0] * 20
    assert explain(judge_divergence(same, same)).endswith(
        "20 paired examples, all alike; 14 % of all examples may still be others"
    )


@settings(max_examples=30)
@given(either)
def test_every_divergence_is_one_line(pair):
    text = explain(judged(*pair))
    assert "\n" not in text
    assert text.startswith(("pass", "fail", "inconclusive", "undefined"))


@given(st.one_of(score_pairs(), count_pairs()))
def test_the_drop_is_the_mean_of_the_examples_parts(pair):
    higher, lower = pair
    found, parts = judge_divergence(higher, lower, resamples=10), drop_per_example(higher, lower)
    assert parts.shape == (found.n,)
    if math.isnan(found.drop):
        assert np.isnan(parts).all()
    else:
        assert parts.mean() == pytest.approx(found.drop, abs=1e-9)
        assert parts.std(ddof=1) == pytest.approx(found.paired_sd, abs=1e-9)
