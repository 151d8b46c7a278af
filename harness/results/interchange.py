"""The same run in pytest-benchmark's JSON, so that `pytest-benchmark compare` and CI actions read it.

Every measured arm of a metric in seconds becomes one benchmark entry. Ratios, verdicts and
provenance have no place in that format and travel in `extra_info`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from harness.measure.outcome import Cell, Finding
from harness.results.documents import RunDocument
from harness.results.records import JsonDict, plain

# the release of pytest-benchmark whose format this is
FORMAT_VERSION = "5.3.1"
PROJECT = "optimization-harness"
ARMS = ("baseline", "optimized")


def pytest_benchmark_document(
    document: RunDocument, cells: Iterable[Cell], native: Sequence[JsonDict] = ()
) -> JsonDict:
    """pytest-benchmark's document for a run.

    `cells` carry their samples; `native` are entries that pytest-benchmark itself made for the
    plain micro-benchmarks of the same run, taken over as they are.
    """
    entries = [entry for cell in sorted(cells, key=lambda cell: cell.nodeid) for entry in _entries(cell)]
    run = document["run"]
    return {
        "machine_info": _machine_info(document),
        "commit_info": {
            "id": run["commit"],
            "time": None,
            "author_time": None,
            "dirty": run["dirty"],
            "project": PROJECT,
            "branch": "(unknown)",
        },
        "benchmarks": [*entries, *native],
        "datetime": run["finished"] or run["started"],
        "version": FORMAT_VERSION,
    }


def timing_stats(durations: Sequence[float], iterations: int) -> JsonDict:
    """pytest-benchmark's statistics of durations in seconds, shape (rounds,), kept in execution order.

    Quartiles interpolate linearly between order statistics (Hyndman & Fan 1996, type 7); fences are
    Tukey's, 1.5 interquartile ranges out. Raises ValueError without durations.
    """
    if not durations:
        raise ValueError("no durations")
    data = np.asarray(durations, dtype=float)
    q1, median, q3 = (float(value) for value in np.quantile(data, [0.25, 0.5, 0.75]))
    mean, total = float(data.mean()), math.fsum(durations)
    stddev = float(data.std(ddof=1)) if data.size > 1 else 0.0
    low_fence, high_fence = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    inside = data[(data >= low_fence) & (data <= high_fence)]
    far = int(np.count_nonzero(np.abs(data - mean) > stddev))
    outside = int(data.size - inside.size)
    return {
        "min": float(data.min()),
        "max": float(data.max()),
        "mean": mean,
        "stddev": stddev,
        "rounds": int(data.size),
        "median": median,
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": outside,
        "stddev_outliers": far,
        "outliers": f"{far};{outside}",
        "ld15iqr": float(inside.min()),
        "hd15iqr": float(inside.max()),
        "ops": data.size / total if total else 0.0,
        "total": total,
        "iterations": iterations,
        "data": [float(value) for value in durations],
    }


def _entries(cell: Cell) -> list[JsonDict]:
    timed = [finding for finding in cell.findings if finding.unit == "s" and finding.provenance == "measured"]
    entries = []
    for finding in timed:
        for arm in ARMS:
            samples = [
                sample for sample in cell.samples if (sample.metric, sample.arm) == (finding.metric, arm)
            ]
            durations = [sample.value for sample in sorted(samples, key=lambda sample: sample.round)]
            if durations:
                suffix = f" {arm}" if len(timed) == 1 else f" {arm} {finding.metric}"
                entries.append(_entry(cell, finding, suffix, durations))
    return entries


def _entry(cell: Cell, finding: Finding, suffix: str, durations: list[float]) -> JsonDict:
    params = plain({"hardware": cell.hardware, **cell.params}, cell.nodeid)
    return {
        "group": cell.optimization,
        "name": cell.nodeid.rpartition("::")[2] + suffix,
        "fullname": cell.nodeid + suffix,
        "params": params,
        "param": _parameter_id(cell.nodeid),
        "extra_info": {
            "metric": finding.metric,
            "ratio": finding.effect.ratio if finding.effect else None,
            "verdict": finding.verdict,
            "gate": finding.gate_result.state,
            "provenance": finding.provenance,
        },
        "options": {
            "disable_gc": True,
            "timer": finding.clock,
            "min_rounds": finding.rounds,
            "max_time": None,
            "min_time": None,
            "warmup": True,
        },
        "stats": timing_stats(durations, finding.iterations),
    }


def _parameter_id(nodeid: str) -> str | None:
    head, bracket, rest = nodeid.partition("[")
    return rest.removesuffix("]") if head and bracket else None


def _machine_info(document: RunDocument) -> dict[str, Any]:
    machine = document["machine"]
    return {
        # the fingerprint stands in for the host name, which says nothing about the machine
        "node": machine["fingerprint"],
        "processor": machine["cpu"].get("model", ""),
        "machine": machine["hardware"],
        "python_version": machine["python"],
        "system": machine["os"],
        "release": "",
        "cpu": {"brand_raw": machine["cpu"].get("model", ""), "count": machine["cpu"].get("cores")},
    }
