"""The two-term time model, its fit, a company's time under concurrency, and seconds on hardware rows."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.known_models import find_model
from harness.costmodel.serving import documented
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.extraction.result import StageCost
from harness.extraction.timing import (
    QUOTED,
    CallTime,
    Lengths,
    TimedCall,
    company_seconds,
    fit,
    quoted_for,
    sequential_seconds,
    served_seconds,
    waves_of,
)
from harness.hardware.matrix import load_matrix

MATRIX = Path(__file__).parents[2] / "hardware_matrix.toml"
LENGTHS = st.builds(
    Lengths, st.integers(0, 30), st.integers(1, 8000).map(float), st.integers(1, 1024).map(float)
)
WAVES = st.lists(st.lists(LENGTHS, max_size=4).map(tuple), max_size=4)
PRESET = (
    (Lengths(1, 5600, 330),),
    (Lengths(24, 6600, 400),),
    (Lengths(24, 6600, 400),),
    (Lengths(40, 6300, 110),),
)


@pytest.mark.parametrize(
    ("prompt", "completion", "seconds"),
    [(6600, 400, 39.6), (5600, 330, 33), (6300, 110, 13), (4600, 1024, 95)],
)
def test_the_call_classes_of_the_logs(prompt, completion, seconds):
    assert QUOTED.seconds(prompt, completion) == pytest.approx(seconds, abs=0.5)


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (CallTime(0.3, 0.0, 0.09, "prefill is free"), -0.12),
        (CallTime(0.3, 0.5, 0.045, "decode twice as fast"), -0.44),
        (CallTime(0.3, 0.5, 0.018, "decode five times as fast"), -0.70),
    ],
)
def test_single_changes_of_the_one_hour_preset(model, change):
    before = company_seconds(PRESET, QUOTED)
    assert company_seconds(PRESET, model) / before - 1 == pytest.approx(change, abs=0.006)


def test_fewer_groups_save_few_seconds():
    eight = ((Lengths(1, 5600, 330),), (Lengths(16, 6600, 580),), (Lengths(16, 6600, 580),), PRESET[3])
    assert company_seconds(eight, QUOTED) / company_seconds(PRESET, QUOTED) - 1 == pytest.approx(
        -0.05, abs=0.006
    )


@settings(deadline=None)
@given(
    st.floats(0, 5), st.floats(0, 3), st.floats(0, 0.5), st.lists(
        st.tuples(st.integers(0, 8000), st.integers(0, 1024)), min_size=4, max_size=20, unique=True
    ),
)  # fmt: skip
def test_a_fit_finds_what_made_the_times(fixed, read, written, lengths):
    true = CallTime(fixed, read, written, "drawn")
    found = fit([TimedCall(p, c, true.seconds(p, c)) for p, c in lengths], "test")
    assert found.calls == len(lengths)
    assert found.error_s == pytest.approx(0.0, abs=1e-6)
    for p, c in lengths:
        assert found.model.seconds(p, c) == pytest.approx(true.seconds(p, c), abs=1e-5)
    assert min(found.model.fixed_s, found.model.per_1000_prompt_s, found.model.per_completion_s) >= 0


def test_a_fit_of_noisy_times_is_near_and_never_negative():
    lengths = [(p, c) for p in (500, 2000, 6000) for c in (50, 200, 800)]
    times = [TimedCall(p, c, QUOTED.seconds(p, c) + (-1) ** n * 0.5) for n, (p, c) in enumerate(lengths)]
    found = fit(times, "noisy")
    assert found.is_determined
    assert found.error_s < 0.6
    assert found.model.per_completion_s == pytest.approx(0.09, abs=0.003)
    falling = fit([TimedCall(1000 * n, 10, 9.0 - n) for n in range(5)], "falling")
    assert falling.model.per_1000_prompt_s == 0.0


def test_equal_lengths_determine_nothing_but_their_own_time():
    found = fit([TimedCall(1000, 100, 4.0), TimedCall(1000, 100, 6.0)], "equal")
    assert not found.is_determined
    assert found.model.seconds(1000, 100) == pytest.approx(5.0)
    assert found.error_s == pytest.approx(1.0)


@pytest.mark.parametrize("calls", [[], [TimedCall(1, 1, math.nan)], [TimedCall(-1, 1, 1.0)]])
def test_a_fit_refuses_what_is_no_measurement(calls):
    with pytest.raises(HarnessError, match="test"):
        fit(calls, "test")


@given(WAVES, st.integers(1, 16))
def test_more_places_are_never_slower_and_never_gain_more_than_they_are(waves, places):
    alone = company_seconds(waves, QUOTED)
    assert alone == pytest.approx(sum(QUOTED.total_s(wave) for wave in waves))
    together = company_seconds(waves, QUOTED, places=places)
    assert together <= alone + 1e-9
    assert together >= alone / places - 1e-9
    assert company_seconds(waves, QUOTED, places=places, gain=1.0) == pytest.approx(alone)
    full = company_seconds(waves, QUOTED, places=places, gain=float(places))
    assert alone / places - 1e-9 <= full <= alone + 1e-9


def test_a_single_call_gains_nothing_and_a_full_engine_its_gain():
    one, many = ((Lengths(1, 1000, 100),),), ((Lengths(8, 1000, 100),),)
    assert company_seconds(one, QUOTED, places=4, gain=2.0) == QUOTED.seconds(1000, 100)
    assert company_seconds(many, QUOTED, places=4, gain=2.0) == pytest.approx(4 * QUOTED.seconds(1000, 100))
    assert company_seconds((), QUOTED, load_s=300, index_s=3) == 303


@pytest.mark.parametrize(("places", "gain"), [(0, None), (2, 3.0), (2, 0.5)])
def test_impossible_concurrency_is_refused(places, gain):
    with pytest.raises(HarnessError, match="gain"):
        company_seconds(PRESET, QUOTED, places=places, gain=gain)


def test_the_matrix_quotes_the_same_parameters():
    rows = load_matrix(MATRIX).rows
    quoted = quoted_for(rows["a100_20gb"])
    assert quoted is not None
    assert (quoted.fixed_s, quoted.per_1000_prompt_s, quoted.per_completion_s) == (0.3, 0.5, 0.09)
    assert "a100_20gb" in quoted.origin
    assert quoted_for(rows["cpu"]) is None


def test_a_result_in_waves_counts_the_calls_that_repeat_one():
    costs = (
        StageCost("detection", 1, 0, 5000, 300),
        StageCost("section", 3, 1, 8000, 400),
        StageCost("deep"),
    )
    assert waves_of(costs) == ((Lengths(1, 5000, 300),), (Lengths(4, 2000, 100),))


SERVING = documented(find_model("qwen2.5-14b"), "nf4", load_matrix(MATRIX).rows["a100_20gb"])


def test_on_a_row_calls_in_turn_add_up_and_batching_is_faster():
    each = [sequential_seconds(SERVING, (wave,)) for wave in PRESET]
    in_turn = sequential_seconds(SERVING, PRESET)
    assert in_turn == pytest.approx(sum(each))
    assert 0 < served_seconds(SERVING, PRESET) < in_turn
    assert sequential_seconds(SERVING, ()) == served_seconds(SERVING, ((),)) == 0.0


def test_shared_prefixes_and_other_companies_beside_it_help():
    alone = served_seconds(SERVING, PRESET)
    assert served_seconds(SERVING, PRESET, shared_tokens=3000) < alone
    assert served_seconds(SERVING, PRESET, companies=3) < 3 * alone


@settings(max_examples=10, deadline=None)
@given(st.lists(LENGTHS, min_size=1, max_size=2).map(tuple))
def test_a_wave_costs_no_less_than_its_parts_alone(wave):
    whole = served_seconds(SERVING, (wave,))
    assert all(served_seconds(SERVING, ((part,),)) <= whole + 1e-9 for part in wave)


def test_a_model_that_does_not_fit_is_infeasible():
    large = documented(find_model("llama-3-70b"), "fp16", load_matrix(MATRIX).rows["a100_20gb"])
    for seconds in (sequential_seconds, served_seconds):
        with pytest.raises(HarnessError) as refused:
            seconds(large, PRESET)
        assert refused.value.exit_code == EXIT_INFEASIBLE


@pytest.mark.parametrize(("count", "places", "rounds"), [(1, 8, 1), (5, 4, 2), (8, 4, 2), (9, 4, 3)])
def test_without_a_gain_a_wave_takes_whole_rounds(count, places, rounds):
    wave = (Lengths(count, 1000, 100),)
    assert company_seconds((wave,), QUOTED, places=places) == pytest.approx(
        rounds * QUOTED.seconds(1000, 100)
    )
