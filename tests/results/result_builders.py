"""Cells, runs and machines to test with, made up and small; and hypothesis strategies for any of them."""

import math
from dataclasses import replace

from hypothesis import strategies as st

from harness.measure.outcome import Cell, ClaimFinding, Effect, Finding, GateResult, Sample
from harness.results.documents import run_document

ORIGINAL = Effect(0.5, 0.49, 0.51, 0.99)


def effect(ratio: float, half: float = 0.01) -> Effect:
    """An effect whose 99 % interval is `ratio` times (1 +- half), on the log scale."""
    return Effect(ratio, ratio / (1 + half), ratio * (1 + half), 0.99)


def timed(ratio: float = 0.5, half: float = 0.01, **changes) -> Finding:
    fields = {
        "metric": "latency",
        "unit": "s",
        "better": "lower",
        "gate": "paired",
        "provenance": "measured",
        "verdict": "improved",
        "clock": "thread",
        "rounds": 40,
        "baseline": 0.2,
        "optimized": 0.2 * ratio,
        "effect": effect(ratio, half),
        "canary": Effect(1.0, 0.99, 1.01, 0.99),
        "floor": 0.025,
    }
    return Finding(**fields | changes)


def counted(baseline: float = 4797.0, optimized: float = 2788.0, **changes) -> Finding:
    fields = {
        "metric": "segments",
        "unit": "segments",
        "better": "lower",
        "gate": "exact",
        "provenance": "measured",
        "verdict": "improved",
        "baseline": baseline,
        "optimized": optimized,
    }
    return Finding(**fields | changes)


def bounded(loss: float = 0.02, limit: float = 0.05, half: float = 0.005, **changes) -> Finding:
    fields = {
        "metric": "loss",
        "unit": "share",
        "better": "lower",
        "gate": "bounded",
        "provenance": "measured",
        "verdict": "unchanged",
        "limit": limit,
        "effect": Effect(loss, loss - half, loss + half, 0.99),
    }
    return Finding(**fields | changes)


def cell(*findings: Finding, **changes) -> Cell:
    fields = {
        "nodeid": "benchmarks/toy/test_toy.py::test_toy[cpu-4]",
        "optimization": "toy",
        "title": "A toy",
        "role": "candidate",
        "hardware": "cpu",
        "params": {"size": 4},
        "state": "measured",
        "benchmark_hash": "b" * 64,
        "workload_hash": "w" * 64,
        "findings": findings,
    }
    return Cell(**fields | changes)


def with_samples(original: Cell, rounds: int = 5) -> Cell:
    """The cell with samples for its timed metrics, every value distinct."""
    samples = [
        Sample(finding.metric, arm, index, order, 0.1 + 0.01 * index + 0.001 * order)
        for finding in original.findings
        if finding.unit == "s"
        for index in range(rounds)
        for order, arm in enumerate(("baseline", "optimized", "canary"))
    ]
    return replace(original, samples=tuple(samples))


def run_info(run_id: str = "run-20261121T010203-ab12cd", **changes):
    fields = {
        "id": run_id,
        "started": "2026-11-21T01:02:03+00:00",
        "finished": "2026-11-21T01:03:03+00:00",
        "commit": "c0ffee",
        "dirty": False,
        "command": ["pytest", "benchmarks"],
        "seed": 0,
        "budget_s": 60.0,
        "gate": "default",
        "exit_code": 0,
        "selected_rows": ["cpu"],
    }
    return fields | changes


def machine_info(**changes):
    fields = {
        "hardware": "cpu",
        "fingerprint": "sha256:0123",
        "cpu": {"model": "Some CPU", "cores": 2, "memory_gib": 24.0},
        "gpus": [],
        "os": "Linux",
        "python": "3.11.7",
        "packages": {"numpy": "2.4.6"},
        "load": [0.1, 0.2, 0.3],
        "noise_floor": None,
        "isolated": False,
    }
    return fields | changes


def document(*cells: Cell, **changes):
    return run_document(run_info(**changes), machine_info(), cells)


finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=1e-6, max_value=1e6)
maybe = st.none() | finite
names = st.text(min_size=1, max_size=12)
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
effects = st.builds(
    Effect,
    ratio=finite,
    low=finite | st.just(-math.inf),
    high=finite | st.just(math.inf),
    confidence=st.floats(min_value=0.5, max_value=1.0),
    p=maybe,
    q=maybe,
    mde80=maybe,
)
claims = st.builds(
    ClaimFinding,
    kind=st.sampled_from(["ratio", "value"]),
    low=finite | st.just(-math.inf),
    high=finite | st.just(math.inf),
    source=names,
    quote=names,
    state=st.sampled_from(["met", "short", "exceeded", "refuted", "undecided", "not applicable"]),
)
gate_results = st.builds(
    GateResult,
    state=st.sampled_from(["pass", "regressed", "refused", "no baseline", "not gated"]),
    detail=names,
)
findings = st.builds(
    Finding,
    metric=names,
    unit=names,
    better=st.sampled_from(["lower", "higher"]),
    gate=st.sampled_from(["exact", "bounded", "paired", "report"]),
    provenance=st.sampled_from(["measured", "modelled", "quoted"]),
    verdict=st.sampled_from(["improved", "unchanged", "worse", "inconclusive", "not run"]),
    reason=st.text(max_size=8),
    clock=st.none() | st.sampled_from(["thread", "wall"]),
    rounds=st.integers(0, 1000),
    iterations=st.integers(1, 1000),
    baseline=maybe,
    optimized=maybe,
    effect=st.none() | effects,
    canary=st.none() | effects,
    limit=maybe,
    floor=st.floats(0, 1),
    tolerance=st.floats(0, 1),
    claims=st.lists(claims, max_size=2).map(tuple),
    gate_result=gate_results,
)
samples = st.builds(
    Sample,
    metric=names,
    arm=st.sampled_from(["baseline", "optimized", "canary"]),
    round=st.integers(0, 1000),
    order=st.integers(0, 2),
    value=finite,
)
cells = st.builds(
    Cell,
    nodeid=names,
    optimization=names,
    title=names,
    role=st.sampled_from(["shipped", "candidate"]),
    hardware=names,
    params=st.dictionaries(names, plain_values, max_size=3),
    state=st.sampled_from(["measured", "modelled", "not run"]),
    reason=st.text(max_size=8),
    fidelity=st.sampled_from(["none", "held", "broken", "refused", "inconclusive"]),
    benchmark_hash=names,
    workload_hash=names,
    engine=st.none() | names,
    model=st.none() | names,
    seed=st.integers(0, 2**32),
    elapsed_s=st.floats(0, 1e6),
    findings=st.lists(findings, max_size=3).map(tuple),
    samples=st.lists(samples, max_size=4).map(tuple),
)
