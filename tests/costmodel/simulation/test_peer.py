"""The published runs of another simulator with the same rules and step time, where they lie beside us."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.costmodel.simulation import (
    AffineStepTime,
    outcome_of,
    sarathi_rules,
    simulate_continuous,
)
from harness.costmodel.simulation.outcome import inter_token_latency_s, time_to_first_token_s
from harness.costmodel.simulation.trace import read_trace

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "simulation"
STEP_TIME = AffineStepTime(0.020, 0.30e-3, 0.0002e-3)
RUNS = {
    "10k, 3328 blocks": (10_000, 3328),
    "1k, 3328 blocks": (1000, 3328),
    "1k, 1100 blocks (watermark 11)": (1000, 1100),
}


@pytest.fixture(scope="module")
def trace():
    if not (DATA / "trace.csv").exists():
        pytest.skip("the peer's trace is not beside the checkout")
    return read_trace(DATA / "trace.csv")


def run(trace, name):
    count, blocks = RUNS[name]
    requests = trace.rows(np.arange(count))
    return requests, simulate_continuous(requests, sarathi_rules(), blocks=blocks, step_time=STEP_TIME)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_in_figures(trace, name):
    expected = json.loads((DATA / "expected.json").read_text())["expected"][name]
    requests, served = run(trace, name)
    outcome = outcome_of(requests, served)
    assert outcome.refused == 0
    assert outcome.steps == expected["iterations"]
    assert outcome.restarts == expected["restarts"]
    assert outcome.restarted_requests == expected["requests_restarted"]
    assert outcome.end_s == pytest.approx(expected["sim_end_s"], abs=1e-6)
    assert outcome.requests_per_s == pytest.approx(expected["throughput_req_s"], rel=1e-9)
    assert outcome.output_tokens_per_s == pytest.approx(expected["output_tok_s"], rel=1e-9)
    for ours, theirs in (
        (outcome.time_to_first_token_s, expected["ttft_s"]),
        (outcome.inter_token_latency_s, expected["tpot_s"]),
        (outcome.end_to_end_s, expected["e2e_s"]),
    ):
        for key, value in theirs.items():
            assert getattr(ours, key) == pytest.approx(value, abs=1e-6)


def test_every_request(trace):
    columns = np.loadtxt(DATA / "expected_requests_10k.csv", delimiter=",", skiprows=1)
    row, first_s, completed_s = columns[np.argsort(columns[:, 0])].T
    _, served = run(trace, "10k, 3328 blocks")
    assert row.tolist() == list(range(10_000))
    np.testing.assert_allclose(time_to_first_token_s(served), first_s, rtol=0.0, atol=1e-6)
    np.testing.assert_allclose(served.completed_s, completed_s, rtol=0.0, atol=1e-6)


def test_the_vectorized_leap_gives_the_same_run_as_the_closed_form(trace):
    class WithoutClosedForm:
        seconds = staticmethod(STEP_TIME.seconds)
        decode_seconds = staticmethod(STEP_TIME.decode_seconds)

    requests, closed_form = run(trace, "1k, 1100 blocks (watermark 11)")
    vectorized = simulate_continuous(requests, sarathi_rules(), blocks=1100, step_time=WithoutClosedForm())
    np.testing.assert_allclose(vectorized.completed_s, closed_form.completed_s, rtol=1e-12)
    latency_s = inter_token_latency_s(requests, closed_form)
    np.testing.assert_allclose(inter_token_latency_s(requests, vectorized), latency_s, rtol=1e-9)
    assert vectorized.restarts.tolist() == closed_form.restarts.tolist()
