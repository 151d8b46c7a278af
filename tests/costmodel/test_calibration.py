"""A step time fitted to a short run: what was planted comes back, and unmeasured concurrencies follow."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.calibration import (
    CalibratedStepTime,
    Run,
    calibrate,
    predicted,
    read_calibration,
)
from harness.costmodel.load import decode_load, prefill_load
from harness.errors import HarnessError

PLANTED = CalibratedStepTime(
    step_s=2e-4, weights_s=3e-4, token_s=5e-5, sequence_s=4e-5, pair_s=4e-8, context_s=3e-7, request_s=4e-4
)
CELLS = [(1, length, 1) for length in (2, 4, 8, 16, 32, 64, 128, 256)]
CELLS += [(4, 8, 1), (4, 32, 1), (1, 16, 48), (1, 128, 48), (4, 16, 48), (4, 128, 48)]


def ran(cell, step_time=PLANTED, batch_tokens=512):
    blank = Run(*cell, 1.0, 2.0)
    first_s, total_s = predicted(step_time, blank, batch_tokens)
    return replace(blank, first_token_s=first_s, total_s=total_s)


def fitted(runs, **others):
    return calibrate(runs, **({"model": "m", "engine": "e", "row": "cpu", "batch_tokens": 512} | others))


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.floats(0.3, 3.0), min_size=7, max_size=7),
)
def test_what_was_planted_predicts_what_nobody_measured(factors):
    planted = CalibratedStepTime(
        **{
            name: value * factor
            for (name, value), factor in zip(asdict(PLANTED).items(), factors, strict=True)
        }
    )
    found = fitted([ran(cell, planted) for cell in CELLS])
    assert found.residual < 0.02
    for sequences in (2, 8, 16):
        truth = ran((sequences, 60, 48), planted)
        _, total_s = predicted(found.step_time, truth, 512)
        assert total_s == pytest.approx(truth.total_s, rel=0.03)


def test_noise_of_five_percent_leaves_predictions_within_the_goal():
    rng = np.random.default_rng(0)
    runs = []
    for cell in CELLS:
        one, factor = ran(cell), float(np.exp(rng.normal(0, 0.05)))
        runs.append(replace(one, first_token_s=one.first_token_s * factor, total_s=one.total_s * factor))
    found = fitted(runs)
    for sequences in (2, 8, 16):
        truth = ran((sequences, 60, 48))
        assert predicted(found.step_time, truth, 512)[1] == pytest.approx(truth.total_s, rel=0.15)


def test_an_engine_of_another_kind_is_mispredicted():
    """The check can fail: an engine that runs one request at a time is no batch."""
    found = fitted([ran(cell) for cell in CELLS])
    alone = ran((1, 60, 48))
    assert predicted(found.step_time, Run(16, 60, 48, 1.0, 2.0), 512)[1] < 0.85 * 16 * alone.total_s


@given(st.integers(1, 16), st.integers(1, 400), st.integers(1, 20))
def test_decode_steps_are_single_steps_one_after_the_other(sequences, context, steps):
    each = [PLANTED.seconds(decode_load(sequences, sequences * (context + i))) for i in range(steps)]
    assert PLANTED.decode_seconds(sequences, sequences * context, steps) == pytest.approx(each)


def test_a_step_without_tokens_takes_no_time():
    assert PLANTED.seconds(decode_load(0, 0)) == 0.0
    assert PLANTED.seconds(prefill_load(10)) > PLANTED.seconds(prefill_load(5)) > 0.0


def test_fits_are_repeatable():
    runs = [ran(cell) for cell in CELLS]
    assert fitted(runs) == fitted(runs)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([cell for cell in CELLS if cell[0] == 1], "1 concurrencies"),
        ([cell for cell in CELLS if cell[1] in (16, 32)], "2 prompt lengths"),
        ([cell for cell in CELLS if cell[2] == 1], "0 runs of several"),
    ],
)
def test_runs_that_tell_too_little_are_refused(cells, said):
    with pytest.raises(HarnessError, match=said):
        fitted([ran(cell) for cell in cells])


@pytest.mark.parametrize(("first_s", "total_s"), [(0.0, 1.0), (2.0, 1.0), (1.0, float("nan")), (1.0, 1.0)])
def test_times_that_are_none_are_refused(first_s, total_s):
    with pytest.raises(HarnessError, match="a run took"):
        fitted([*(ran(cell) for cell in CELLS), Run(1, 16, 48, first_s, total_s)])


def test_a_calibration_survives_its_file(tmp_path):
    found = fitted([ran(cell) for cell in CELLS])
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(found.document()))
    assert read_calibration(path) == found


CHANGES = {
    "a part less": lambda d: d.pop("runs"),
    "a negative time": lambda d: d["step_time"].update(step_s=-1.0),
    "not what its version says": lambda d: d["step_time"].update(step_s=1.0),
    "half a run": lambda d: d.update(runs=[{"sequences": 1}]),
    "no times": lambda d: d.update(step_time=None),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_that_was_changed_is_refused(tmp_path, change):
    document = json.loads(json.dumps(fitted([ran(cell) for cell in CELLS]).document()))
    change(document)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(document))
    with pytest.raises(HarnessError, match=r"mine\.json|calibration"):
        read_calibration(path)


@pytest.mark.parametrize("content", ["", "[]", "nonsense", "[" * 100_000])
def test_a_file_that_is_no_calibration_is_refused(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(HarnessError, match="harness predict calibrate"):
        read_calibration(path)
    with pytest.raises(HarnessError, match="cannot be read"):
        read_calibration(tmp_path / "none.json")
