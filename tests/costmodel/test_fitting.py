"""The fit: finds constants that made the data, is deterministic, and makes the committed file anew."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.costmodel.constants import constants_text, load_constants
from harness.costmodel.devices import find_device
from harness.costmodel.fitting import _Problem, fit
from harness.costmodel.heldout import fit_all, measured_configurations, range_of, splits
from harness.costmodel.known_models import find_model
from harness.costmodel.load import decode_load, prefill_load
from harness.costmodel.measured import Measured
from harness.costmodel.precision import find_precision
from harness.costmodel.validation import Configuration, error_frame, predicted_seconds
from harness.errors import HarnessError
from harness.hardware import load_matrix

ROOT = Path(__file__).resolve().parents[2]
ROWS = load_matrix(ROOT / "hardware_matrix.toml").rows
MEASURED = ROOT.parent / "shared" / "data" / "measured"
SHIPPED = load_constants()
needs_data = pytest.mark.skipif(
    not (MEASURED / "layer_times.csv").is_file(),
    reason="the measured step times do not lie beside the checkout (../shared/data/measured)",
)


def step(layout, gpu, phase, tokens, *, model="llama-2-13b", degree=1, prompt=500):
    load = decode_load(tokens, tokens * prompt) if phase == "decode" else prefill_load(prompt, tokens)
    unstated = layout == "layer" and phase == "decode"
    shape = find_model(model)
    return Measured(
        layout=layout, gpu=gpu, phase=phase, model=model, shape=shape,
        precision=find_precision("fp16", shape), device=find_device(gpu, ROWS), tensor_parallel=degree,
        load=decode_load(tokens, 0) if unstated else load, position=load.tokens, group=(), seconds=1.0,
        half_s=0.0, context_stated=not unstated, line=0,
    )  # fmt: skip


def made_up(constants):
    """Steps whose times the constants themselves predict."""
    steps = [
        step("layer", gpu, phase, tokens)
        for gpu in ("a100", "l4", "t4")
        for phase in ("decode", "prefill")
        for tokens in (1, 2, 4, 10, 40, 100, 300)
    ]
    steps += [
        step("request", gpu, phase, batch, degree=degree, prompt=prompt)
        for gpu in ("a100-80gb", "h100")
        for phase in ("decode", "prefill")
        for degree in (1, 2, 8)
        for batch, prompt in ((1, 128), (1, 512), (1, 4000), (4, 512), (32, 512))
    ]
    times = predicted_seconds(steps, constants)
    return [replace(one, seconds=seconds) for one, seconds in zip(steps, times, strict=True)]


def test_the_fit_finds_the_constants_that_made_the_data():
    found = fit(made_up(SHIPPED))
    for name, family in SHIPPED.families.items():
        assert found.families[name].bandwidth == pytest.approx(family.bandwidth, rel=0.03)
        assert found.families[name].launch_s == pytest.approx(family.launch_s, rel=0.03)
    for name, group in SHIPPED.classes.items():
        assert found.classes[name].compute == pytest.approx(group.compute, rel=0.03)
    steps = made_up(SHIPPED)
    frame = error_frame([Configuration(one, (0,)) for one in steps], found)
    assert frame["error"].max() < 0.05
    assert frame["error"].median() < 0.01


def test_the_fit_predicts_as_the_step_time_does():
    steps = made_up(SHIPPED)
    problem = _Problem(steps)
    values = []
    for kind, key in problem.names:
        engine = SHIPPED.engines["eager"]
        values.append(
            {
                "bandwidth": lambda k: SHIPPED.families[k].bandwidth,
                "compute": lambda k: SHIPPED.classes[k].compute,
                "launch": lambda k: next(
                    f.launch_s for f in SHIPPED.families.values() if f.architecture == k and f.launch_s
                ),
                "context": lambda k: SHIPPED.layer_context_tokens[k],
                "all_reduce": lambda _: SHIPPED.shared.all_reduce,
            }.get(kind, lambda _, e=engine, n=kind: getattr(e, n))(key)
        )
    expected = [one.seconds for one in steps]
    np.testing.assert_allclose(problem.predicted(np.array(values)), expected, rtol=2e-3)


def test_equal_input_gives_equal_text():
    steps = made_up(SHIPPED)
    assert constants_text(fit(steps)) == constants_text(fit(steps))


def test_an_error_within_rounding_is_none():
    steps = made_up(SHIPPED)
    rounded = [
        replace(one, seconds=one.seconds * (1.1 if i % 2 else 0.9), half_s=0.11 * one.seconds)
        for i, one in enumerate(steps)
    ]
    exact, rough = fit(steps), fit(rounded)
    for name, family in exact.families.items():
        assert rough.families[name].bandwidth == pytest.approx(family.bandwidth, rel=0.06)


def test_layer_times_alone_leave_the_engine_at_published_values():
    found = fit([one for one in made_up(SHIPPED) if one.layout == "layer"])
    assert found.engines["eager"].provenance == "published values, not fitted"
    assert found.engines["eager"].prefill_s == pytest.approx(20e-3)
    assert set(found.families) == {"Ada Lovelace GDDR", "Ampere HBM", "Turing GDDR"}


def test_only_a_fit_imports_scipy():
    """In a process of its own: other tests may have imported it here."""
    code = "import sys; sys.modules['scipy'] = None; import harness.costmodel.heldout"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)


def test_nothing_to_fit_is_one_error():
    with pytest.raises(HarnessError, match="no measured step"):
        fit([])


def test_ranges_are_contiguous_and_cover_every_group():
    found = [Configuration(one, (0,)) for one in made_up(SHIPPED)]
    parts = range_of(found)
    assert set(parts) == {0, 1, 2, 3}
    order = [
        (one.step.position, part)
        for one, part in zip(found, parts, strict=True)
        if one.step.layout == "layer" and (one.step.gpu, one.step.phase) == ("l4", "decode")
    ]
    assert [part for _, part in sorted(order)] == sorted(part for _, part in order)


@needs_data
def test_the_committed_constants_come_from_the_data():
    found = fit_all(MEASURED / "layer_times.csv", MEASURED / "request_times.csv", ROWS)
    assert constants_text(found) == constants_text(SHIPPED)


@pytest.fixture(scope="module")
def tables():
    files = (MEASURED / "layer_times.csv", MEASURED / "request_times.csv")
    return splits([one for path in files for one in measured_configurations(path, ROWS)])


def _worst(frame):
    errors = frame.groupby(["gpu", "phase"])["error"]
    return errors.median().max(), errors.quantile(0.9).max()


@needs_data
def test_ranges_left_out_are_predicted_for_every_gpu_and_phase(tables):
    median, p90 = _worst(tables.ranges)
    assert len(tables.ranges) == len(tables.fitted) > 300
    assert median <= 0.10
    assert p90 <= 0.25


@needs_data
def test_gpus_left_out_are_predicted_by_the_fallback(tables):
    for frame in (tables.gpus, tables.families):
        median, p90 = _worst(frame)
        assert set(frame["basis"]) <= {"family", "fallback"}
        assert median <= 0.20
        assert p90 <= 0.40
