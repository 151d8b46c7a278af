import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_builders import bounded, cell, counted, effect, timed

from harness.measure.outcome import Effect
from harness.results.baselines import Baselines, Origin, pin_baseline, read_baselines
from harness.results.change import regression_p
from harness.results.gate import gate_cell, not_confirmed, regression_p_values
from harness.results.update import update_baselines

ORIGIN = Origin("run-1", "c0ffee", "2026-11-21", "sha256:0123")
UPDATE = "pytest benchmarks -m cpu --update-baseline"


@pytest.fixture(scope="session")
def committed(tmp_path_factory):
    """A function: the baselines that committing these cells gives; `pinned` cells are pinned before."""

    def commit(*rolling, pinned=(), keep_rolling=True):
        folder = tmp_path_factory.mktemp("baselines")
        if pinned:
            update_baselines(folder, "cpu", pinned, ORIGIN)
            pin_baseline(folder, "cpu")
            if not keep_rolling:
                (folder / "cpu.json").unlink()
        if rolling:
            update_baselines(folder, "cpu", rolling, ORIGIN)
        return read_baselines(folder, "cpu")

    return commit


def result(one, baselines, metric=None):
    gated = gate_cell(one, baselines)
    chosen = [finding for finding in gated.findings if metric in (None, finding.metric)]
    return chosen[0].gate_result


def state(one, baselines, metric=None):
    return result(one, baselines, metric).state


# --- counted and modelled figures -------------------------------------------------------------


@pytest.mark.parametrize(
    "changed", [{"optimized": 2789.0}, {"optimized": 2787.0}, {"baseline": 4796.0}, {"baseline": None}]
)
def test_a_counted_figure_leaves_its_ratchet_in_either_direction(committed, changed):
    found = result(cell(counted(**changed)), committed(cell(counted())))
    assert found.state == "left ratchet"
    assert UPDATE in found.detail


def test_the_ratchet_prints_old_and_new(committed):
    found = result(cell(counted(optimized=2900.0)), committed(cell(counted())))
    assert found.detail.startswith("optimized 2,788 -> 2,900 segments; if meant: ")


@given(
    tolerance=st.floats(0, 0.5),
    off=st.floats(-0.9, 0.9),
    value=st.floats(1, 1e9),
)
def test_tolerance_is_relative_to_the_committed_figure(committed, tolerance, off, value):
    moved = value * (1 + off)
    baselines = committed(cell(counted(value, value)))
    found = state(cell(counted(value, moved, tolerance=tolerance)), baselines)
    assert found == ("pass" if abs(moved - value) <= tolerance * value else "left ratchet")


@pytest.mark.parametrize("gate", ["paired", "exact"])
def test_modelled_figures_count_as_exact(committed, gate):
    modelled = cell(timed(gate=gate, provenance="modelled"), state="modelled", model="constants-1")
    baselines = committed(modelled)
    slower = replace(modelled, findings=(timed(0.5001, gate=gate, provenance="modelled"),))
    last_digit = replace(
        modelled, findings=(timed(gate=gate, provenance="modelled", optimized=math.nextafter(0.1, 1)),)
    )
    assert state(modelled, baselines) == "pass"
    assert state(slower, baselines) == "left ratchet"
    assert state(last_digit, baselines) == "pass"


def test_new_constants_ask_for_an_update(committed):
    modelled = cell(timed(provenance="modelled"), state="modelled", model="constants-1")
    found = result(replace(modelled, model="constants-2"), committed(modelled))
    assert found.state == "incompatible"
    assert "constants of the cost model changed: constants-1 -> constants-2" in found.detail
    assert UPDATE in found.detail


def test_a_modelled_run_is_not_held_against_a_measured_baseline(committed):
    modelled = cell(timed(0.9, provenance="modelled"), state="modelled")
    assert state(modelled, committed(cell(timed()))) == "no baseline"


def test_a_figure_whose_provenance_changed_is_incompatible(committed):
    found = result(cell(counted(provenance="modelled")), committed(cell(counted())))
    assert found.state == "incompatible"
    assert "measured -> modelled" in found.detail


# --- timed figures ----------------------------------------------------------------------------


@given(
    ratio=st.floats(0.05, 20),
    worse=st.floats(1.03, 5),
    half=st.floats(0.0005, 0.005),
    better=st.sampled_from(["lower", "higher"]),
)
def test_worse_beyond_interval_and_floor_always_regresses(committed, ratio, worse, half, better):
    now = ratio * worse if better == "lower" else ratio / worse
    baselines = committed(cell(timed(ratio, half, better=better)))
    assert state(cell(timed(now, half, better=better)), baselines) == "regressed"


@given(
    ratio=st.floats(0.05, 20),
    gain=st.floats(1, 5),
    half=st.floats(0, 0.5),
    better=st.sampled_from(["lower", "higher"]),
)
def test_the_same_or_better_never_regresses(committed, ratio, gain, half, better):
    now = ratio / gain if better == "lower" else ratio * gain
    baselines = committed(cell(timed(ratio, half, better=better)))
    one = cell(timed(now, half, better=better))
    assert state(one, baselines) == "pass"
    assert regression_p_values(one, baselines)["latency"] >= 0.49


@given(ratio=st.floats(0.05, 20), worse=st.floats(1, 1.0249))
def test_under_the_floor_nothing_regresses_however_sure(committed, ratio, worse):
    assert state(cell(timed(ratio * worse, 0.0)), committed(cell(timed(ratio, 0.0)))) == "pass"


def test_within_the_interval_nothing_regresses(committed):
    assert state(cell(timed(0.55, 0.2)), committed(cell(timed(0.5, 0.2)))) == "pass"


def test_the_standard_errors_add_in_quadrature(committed):
    # two half-intervals h give sqrt(2) h: a change of 1.3 h is inside, 1.5 h is outside
    half = 0.05
    unit = math.log1p(half)
    baselines = committed(cell(timed(0.5, half)))
    assert state(cell(timed(0.5 * math.exp(1.3 * unit), half)), baselines) == "pass"
    assert state(cell(timed(0.5 * math.exp(1.5 * unit), half)), baselines) == "regressed"


def test_intervals_of_other_confidence_are_converted(committed):
    # a 95 % interval is narrower than the 99 % one of the same standard error by 1.960 / 2.576
    unit = math.log1p(0.05)
    narrow = math.exp(unit * 1.959964 / 2.575829)
    old = cell(timed(effect=Effect(0.5, 0.5 / narrow, 0.5 * narrow, 0.95)))
    assert state(cell(timed(0.5 * math.exp(1.40 * unit), 0.05)), committed(old)) == "pass"
    assert state(cell(timed(0.5 * math.exp(1.43 * unit), 0.05)), committed(old)) == "regressed"


def test_a_regression_says_from_where_to_where(committed):
    found = result(cell(timed(0.6)), committed(cell(timed(0.5))))
    assert found.detail == "ratio 0.5 (committed) -> 0.6, 20.0% worse"


def test_ten_small_slips_pass_the_rolling_baseline_and_are_caught_by_the_pinned(committed):
    half, ratio = 0.03, 0.5
    first = cell(timed(ratio, half))
    caught = []
    for _ in range(10):
        before, ratio = cell(timed(ratio, half)), ratio * 1.03
        now = cell(timed(ratio, half))
        assert state(now, committed(before)) == "pass"
        found = result(now, committed(before, pinned=[first]))
        caught.append(found.state)
        if found.state == "regressed":
            assert "(pinned)" in found.detail
            assert "pytest benchmarks -m cpu --pin-baseline" in found.detail
    assert caught[0] == "pass"
    assert caught[-1] == "regressed"
    assert caught == sorted(caught)


def test_a_pinned_baseline_of_an_older_benchmark_is_left_alone(committed):
    older = cell(timed(0.1), benchmark_hash="o" * 64)
    assert state(cell(timed(0.5)), committed(cell(timed(0.5)), pinned=[older])) == "pass"


def test_an_inconclusive_verdict_is_inconclusive(committed):
    noisy = cell(timed(0.5, 0.3, verdict="inconclusive", reason="8 rounds", rounds=8))
    assert result(noisy, committed(cell(timed()))).detail == "8 rounds"
    assert state(noisy, committed(cell(timed()))) == "inconclusive"


def test_a_gain_that_is_gone_regresses_although_no_effect_is_seen(committed):
    gone = timed(1.0, 0.06, verdict="inconclusive")
    assert state(cell(gone), committed(cell(timed(0.5)))) == "regressed"


@pytest.mark.parametrize("doubt", [{"canary": None}, {"canary": effect(1.2)}], ids=["none", "alarm"])
@pytest.mark.parametrize("rounds", [20, 40])
def test_but_not_when_the_measurement_itself_is_in_doubt(committed, doubt, rounds):
    gone = timed(1.0, 0.06, verdict="inconclusive", rounds=rounds, **doubt)
    assert state(cell(gone), committed(cell(timed(0.5)))) == "inconclusive"


@pytest.mark.parametrize(
    ("now", "half", "rounds", "expected"),
    [
        (0.8, 0.1, 20, "regressed"),
        (0.8, 0.1, 8, "regressed"),
        (0.45, 0.02, 29, "inconclusive"),
        (0.45, 0.02, 30, "regressed"),
        (0.8, 1.5, 20, "inconclusive"),
    ],
    ids=["lost", "fewest rounds", "under 1.5x", "enough rounds", "wide interval"],
)
def test_a_slow_arm_that_lost_its_gain_regresses_by_more_than_half(committed, now, half, rounds, expected):
    slow = timed(now, half, verdict="inconclusive", rounds=rounds)
    assert state(cell(slow), committed(cell(timed(0.33, 0.02)))) == expected


def test_a_slow_arm_with_a_wide_floor_regresses_beyond_that_floor(committed):
    slow = timed(0.8, 0.05, verdict="inconclusive", rounds=20, floor=2.0)
    assert state(cell(slow), committed(cell(timed(0.33, 0.02)))) == "inconclusive"


@pytest.mark.parametrize(
    "broken",
    [None, Effect(0.0, 0.0, 0.0, 0.99), Effect(0.5, 0.4, math.inf, 0.99), Effect(0.5, 0.4, 0.6, 1.0)],
)
def test_without_a_usable_interval_it_is_inconclusive(committed, broken):
    one = cell(timed(effect=broken))
    baselines = committed(cell(timed()))
    assert state(one, baselines) == "inconclusive"
    assert regression_p_values(one, baselines) == {"latency": 1.0}


def test_the_p_value_is_one_sided_and_matches_the_interval(committed):
    half = 0.05
    recorded = committed(cell(timed(0.5, half))).find(cell()).metrics["latency"]
    error = math.sqrt(2) * math.log1p(half) / 2.575829
    at = {
        z: regression_p(timed(0.5 * math.exp(z * error), half), recorded)
        for z in (-2.0, 0.0, 1.644854, 2.575829)
    }
    assert at[0.0] == pytest.approx(0.5)
    assert at[1.644854] == pytest.approx(0.05, abs=1e-6)
    assert at[2.575829] == pytest.approx(0.005, abs=1e-6)
    assert at[-2.0] > 0.97


def test_two_comparisons_double_the_p_value(committed):
    now = cell(timed(0.51, 0.02))
    alone = regression_p_values(now, committed(cell(timed(0.5))))["latency"]
    both = regression_p_values(now, committed(cell(timed(0.5)), pinned=[cell(timed(0.5))]))["latency"]
    assert 0.01 < alone < 0.5
    assert both == pytest.approx(2 * alone)


def test_a_regression_that_is_not_confirmed_is_inconclusive(committed):
    gated = gate_cell(cell(timed(0.6), counted(optimized=1.0)), committed(cell(timed(0.5), counted())))
    back = not_confirmed(gated, {"latency": "did not repeat", "segments": "exact figures need no repeat"})
    assert [finding.gate_result.state for finding in back.findings] == ["inconclusive", "left ratchet"]
    assert back.findings[0].gate_result.detail == "did not repeat"


# --- fidelity ---------------------------------------------------------------------------------

HELD = bounded(0.02)
OVER = bounded(0.2, verdict="worse")


def test_a_shipped_cell_over_its_limit_is_over_whatever_was_committed(committed):
    broken = cell(OVER, role="shipped", fidelity="broken")
    for baselines in (
        Baselines("cpu"),
        committed(cell(HELD, role="shipped", fidelity="held")),
        committed(cell(HELD, fidelity="held", benchmark_hash="x")),
    ):
        assert state(broken, baselines) == "over limit"
    assert "loss 0.2 over its limit 0.05" in result(broken, Baselines("cpu")).detail


def test_a_candidate_over_its_limit_is_refused_and_stays_refused(committed):
    refused = cell(OVER, fidelity="refused")
    assert state(refused, Baselines("cpu")) == "refused"
    assert state(refused, committed(refused)) == "refused"


def test_a_candidate_that_used_to_hold_regressed(committed):
    found = result(cell(OVER, fidelity="refused"), committed(cell(HELD, fidelity="held")))
    assert found.state == "regressed"
    assert "the committed baseline says it held" in found.detail


def test_a_second_limit_broken_is_a_regression_of_that_one(committed):
    other = replace(HELD, metric="other")
    before = cell(OVER, other, fidelity="refused")
    now = cell(OVER, replace(OVER, metric="other"), fidelity="refused")
    baselines = committed(before)
    assert (state(before, baselines, "loss"), state(before, baselines, "other")) == ("refused", "pass")
    assert (state(now, baselines, "loss"), state(now, baselines, "other")) == ("refused", "regressed")


def test_a_break_that_no_metric_shows_falls_on_every_finding(committed):
    held = cell(timed(), fidelity="held")
    assert state(replace(held, fidelity="refused"), committed(held)) == "regressed"
    refused = replace(held, fidelity="refused", reason="outputs differ at index 3")
    assert state(refused, committed(refused)) == "refused"
    assert result(replace(refused, role="shipped"), Baselines("cpu")).detail.endswith("index 3")


def test_a_break_beside_metrics_that_hold_is_refused_after_an_update(committed):
    odd = cell(HELD, timed(), fidelity="refused")
    assert state(odd, committed(odd), "loss") == "refused"


def test_a_loss_within_its_limit_passes(committed):
    assert state(cell(bounded(0.04), fidelity="held"), committed(cell(HELD, fidelity="held"))) == "pass"
    assert state(cell(HELD, fidelity="held"), committed(cell(OVER, fidelity="refused"))) == "pass"


def test_a_loss_across_its_limit_is_inconclusive(committed):
    across = cell(bounded(0.05, half=0.02), fidelity="inconclusive")
    assert state(across, committed(cell(HELD, fidelity="held"))) == "inconclusive"


def test_deleting_the_baseline_does_not_make_a_refusal_green(committed):
    baselines = committed(pinned=[cell(HELD, fidelity="held")], keep_rolling=False)
    assert state(cell(OVER, fidelity="refused"), baselines) == "baseline missing"


# --- which baseline ---------------------------------------------------------------------------


@pytest.mark.parametrize("finding", [timed(), counted(), HELD], ids=["timed", "counted", "bounded"])
def test_a_row_that_never_had_a_baseline_is_told_the_command(finding):
    found = result(cell(finding, fidelity="held"), Baselines("cpu"))
    assert found.state == "no baseline"
    assert UPDATE in found.detail


def test_a_new_metric_of_a_known_cell_has_no_baseline(committed):
    assert state(cell(timed(), counted()), committed(cell(timed())), "segments") == "no baseline"


def test_an_entry_that_is_pinned_but_gone_is_missing(committed):
    one = cell(timed())
    assert state(one, committed(pinned=[one], keep_rolling=False)) == "baseline missing"
    newer = replace(one, benchmark_hash="n" * 64)
    assert state(newer, committed(pinned=[one], keep_rolling=False)) == "baseline missing"


@pytest.mark.parametrize("field", ["benchmark_hash", "workload_hash"])
@pytest.mark.parametrize("finding", [timed(), counted(), HELD], ids=["timed", "counted", "bounded"])
def test_another_hash_is_refused_by_name(committed, field, finding):
    one = cell(finding, fidelity="held")
    found = result(replace(one, **{field: "n" * 64}), committed(one))
    assert found.state == "incompatible"
    assert found.detail.startswith(field.removesuffix("_hash") + " changed: ")
    assert UPDATE in found.detail


@pytest.mark.parametrize(
    "finding", [timed(gate="report"), timed(verdict="not run"), counted(provenance="quoted")]
)
def test_what_is_only_reported_is_not_gated(committed, finding):
    assert state(cell(finding), committed(cell(timed(), counted()))) == "not gated"


def test_a_cell_that_was_not_run_is_returned_as_it_is(committed):
    one = cell(state="not run", reason="needs l4")
    assert gate_cell(one, committed(cell(timed()))) is one


MIXED = (timed(0.6), counted(optimized=3000.0), OVER, timed(metric="report", gate="report"))


@given(st.permutations(MIXED))
def test_the_order_of_findings_does_not_matter(committed, order):
    baselines = committed(cell(timed(), counted(), HELD, fidelity="held"))
    expected = {one.metric: one for one in gate_cell(cell(*MIXED, fidelity="refused"), baselines).findings}
    found = {one.metric: one for one in gate_cell(cell(*order, fidelity="refused"), baselines).findings}
    assert found == expected
    assert [one.gate_result.state for one in expected.values()] == [
        "regressed",
        "left ratchet",
        "regressed",
        "not gated",
    ]
