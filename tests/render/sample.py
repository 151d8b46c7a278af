"""Run documents as the rig writes them: every state a cell, a finding and a claim can be in.

The figures are invented for layout and escaping tests; none of them is a measurement.
"""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def effect(ratio: float, low: float, high: float, mde80: float | None = 0.012) -> dict[str, Any]:
    return {
        "ratio": ratio,
        "low": low,
        "high": high,
        "confidence": 0.99,
        "p": 0.0005,
        "q": 0.001,
        "mde80": mde80,
    }


def claim(
    low: float | None, high: float | None, state: str, quote: str, kind: str = "ratio"
) -> dict[str, Any]:
    source = "placement-optimization-summary.md, section 4.2"
    return {"kind": kind, "low": low, "high": high, "source": source, "quote": quote, "state": state}


def finding(metric: str = "latency", unit: str = "s", **changes: Any) -> dict[str, Any]:
    made = {
        "metric": metric,
        "unit": unit,
        "better": "lower",
        "gate": "paired",
        "provenance": "measured",
        "verdict": "improved",
        "reason": "",
        "clock": "thread",
        "rounds": 332,
        "iterations": 1,
        "baseline": 0.0412,
        "optimized": 0.0129,
        "effect": effect(0.313, 0.309, 0.318),
        "canary": effect(1.001, 0.994, 1.007),
        "limit": None,
        "floor": 0.025,
        "tolerance": 0.0,
        "claims": [],
        "gate_result": {"state": "pass", "detail": "0.313 against 0.315 in the baseline"},
    }
    return made | changes


def cell(optimization: str, hardware: str = "cpu", **changes: Any) -> dict[str, Any]:
    params = changes.get("params", {})
    tail = "-".join([hardware, *(f"{name}={value}" for name, value in sorted(params.items()))])
    made = {
        "nodeid": f"benchmarks/demo/test_{optimization}.py::test_{optimization}[{tail}]",
        "optimization": optimization,
        "title": optimization.replace("_", " ").capitalize(),
        "role": "candidate",
        "hardware": hardware,
        "params": params,
        "state": "measured",
        "reason": "",
        "fidelity": "none",
        "benchmark_hash": "sha256:0a1b2c",
        "workload_hash": "sha256:3d4e5f",
        "engine": None,
        "model": None,
        "seed": 7,
        "elapsed_s": 4.0,
        "findings": [finding()],
    }
    return made | changes


def not_run(optimization: str, hardware: str, reason: str) -> dict[str, Any]:
    return cell(optimization, hardware, state="not run", reason=reason, findings=[], elapsed_s=0.0)


def modelled(optimization: str, hardware: str, ratio: float, **changes: Any) -> dict[str, Any]:
    figures = {"baseline": 1.84, "optimized": 1.84 * ratio, "effect": effect(ratio, ratio, ratio, None)}
    made = finding(
        "time_to_first_token",
        provenance="modelled",
        clock=None,
        rounds=0,
        canary=None,
        floor=0.0,
        gate_result={"state": "not gated", "detail": ""},
        **figures,
        **changes,
    )
    return cell(
        optimization,
        hardware,
        state="modelled",
        engine="cost model",
        model="Qwen3-4B-Instruct-2507-FP8",
        findings=[made],
    )


def machine(hardware: str = "cpu", **changes: Any) -> dict[str, Any]:
    made = {
        "hardware": hardware,
        "fingerprint": "sha256:9f8e7d6c5b4a",
        "cpu": {"model": "Intel Xeon @ 2.10 GHz", "cores": 2, "memory_gib": 24.0},
        "gpus": [],
        "os": "Linux 6.1",
        "python": "3.11.7",
        "packages": {"numpy": "2.4.6", "pandas": "3.0.5", "highspy": "1.15.1"},
        "load": [3.4, 2.9, 2.2],
        "noise_floor": 0.011,
        "isolated": False,
    }
    return made | changes


def document(cells: list[dict[str, Any]], hardware: str = "cpu", **run: Any) -> Document:
    facts = {
        "id": "run-20261121T010203-ab12cd",
        "started": "2026-11-21T01:02:03+00:00",
        "finished": "2026-11-21T01:03:01+00:00",
        "commit": "2bd6baf0c1d2e3f4",
        "dirty": False,
        "command": ["pytest", "benchmarks", "-m", hardware],
        "seed": 7,
        "budget_s": 60.0,
        "gate": "default",
        "exit_code": 0,
        "selected_rows": [hardware],
    }
    return {
        "schema_version": 1,
        "run": facts | run,
        "machine": machine(hardware),
        "cells": cells,
        "micro": [
            {
                "nodeid": "benchmarks/demo/test_micro.py::test_bm25_query",
                "group": "retrieval",
                "hardware": "cpu",
                "rounds": 5120,
                "iterations": 10,
                "median_s": 4.21e-5,
                "iqr_s": 1.1e-6,
                "min_s": 4.02e-5,
                "provenance": "measured",
            },
        ],
        "vanished": [
            {"nodeid": "benchmarks/demo/test_gone.py::test_gone[cpu]", "detail": "latency had 0.71"}
        ],
    }


def _placement() -> list[dict[str, Any]]:
    counted = {"gate": "exact", "clock": None, "canary": None, "rounds": 1, "floor": 0.0}
    segments = finding(
        "segments",
        "count",
        **counted,
        baseline=4797,
        optimized=2788,
        effect=effect(2788 / 4797, 2788 / 4797, 2788 / 4797, None),
        claims=[claim(0.4, 0.6, "met", "14 segment sizes reduced to 6 cut segments by about half")],
    )
    variables = finding(
        "binary_variables",
        "count",
        **counted,
        baseline=340665,
        optimized=131206,
        effect=effect(131206 / 340665, 131206 / 340665, 131206 / 340665, None),
        claims=[claim(0.2, 0.35, "short", "a 65-80 % reduction in binary variables")],
    )
    solve = finding(
        "solve_time",
        baseline=12.83,
        optimized=2.214,
        effect=effect(0.1726, 0.151, 0.199),
        rounds=24,
        claims=[claim(None, 0.5, "met", "at least twice as fast to solve")],
        clock="process",
    )
    loss = finding(
        "cost_loss",
        "fraction",
        gate="bounded",
        verdict="worse",
        baseline=None,
        optimized=None,
        clock=None,
        rounds=0,
        canary=None,
        effect=effect(0.0812, 0.0812, 0.0812, None),
        limit=0.05,
        claims=[claim(None, 0.05, "refuted", "less than 5 % loss in $/token", "value")],
        gate_result={"state": "refused", "detail": "0.0812 over the limit 0.05"},
    )
    return [cell("segment_sizes", fidelity="refused", findings=[segments, variables, solve, loss])]


def _others() -> list[dict[str, Any]]:
    throughput = finding(
        "throughput",
        "tokens/s",
        better="higher",
        clock="wall",
        baseline=812.4,
        optimized=1391.0,
        rounds=64,
        effect=effect(1.712, 1.66, 1.77),
        claims=[claim(1.3, 2.0, "met", "1.3-2.0x higher throughput")],
    )
    unchanged = finding(
        verdict="unchanged",
        baseline=0.0880,
        optimized=0.0884,
        effect=effect(1.004, 0.991, 1.018),
        claims=[claim(0.6, 0.8, "refuted", "20-40 % faster with tuned thread sizing")],
    )
    undecided = finding(
        verdict="inconclusive",
        reason="the interval is wider than the floor",
        rounds=41,
        baseline=0.088,
        optimized=0.0617,
        effect=effect(0.97, 0.88, 1.09, 0.077),
        gate_result={"state": "inconclusive", "detail": ""},
        claims=[claim(0.5, 0.9, "undecided", "10-50 % lower latency")],
    )
    memory = finding(
        "peak_memory",
        "bytes",
        gate="report",
        clock=None,
        verdict="improved",
        baseline=8_589_934_592,
        optimized=2_362_232_012,
        effect=effect(0.275, 0.271, 0.279),
        gate_result={"state": "not gated", "detail": ""},
        claims=[claim(0.3, 0.5, "exceeded", "2-3x less memory")],
    )
    regressed = finding(
        verdict="worse",
        baseline=0.0021,
        optimized=0.00226,
        effect=effect(1.077, 1.063, 1.085),
        gate_result={"state": "regressed", "detail": "1.077 [1.063, 1.085] against 0.981 in the baseline"},
    )
    tiny = finding(
        "divergence",
        "max_abs",
        gate="bounded",
        verdict="improved",
        clock=None,
        canary=None,
        baseline=None,
        optimized=None,
        effect=effect(3.1e-4, 2.9e-4, 3.3e-4, None),
        limit=2e-3,
        claims=[claim(None, 1e-3, "met", "numerically equivalent to 1e-3", "value")],
    )
    return [
        *(
            cell(
                "extraction_cap",
                params={"cap": cap},
                findings=[
                    finding(
                        baseline=0.0412 * cap / 4096,
                        optimized=0.0129 * cap / 4096,
                        effect=effect(r, r - 0.004, r + 0.005),
                        claims=[
                            claim(0.25, 0.40, "met" if r < 0.4 else "short", "60-75 % less time per document")
                        ],
                    )
                ],
            )
            for cap, r in ((2048, 0.522), (4096, 0.313), (16384, 0.171))
        ),
        cell(
            "dynamic_batching",
            role="shipped",
            fidelity="held",
            engine="llama.cpp",
            model="Qwen3-4B Q4_K_M",
            findings=[throughput, tiny],
        ),
        cell("thread_sizing", findings=[unchanged]),
        cell("prefix_cache", findings=[undecided, memory]),
        cell("score_kernel", role="shipped", findings=[regressed]),
    ]


def _elsewhere() -> list[dict[str, Any]]:
    cells = [
        modelled("flash_attention", row, ratio)
        for row, ratio in (("l4", 0.71), ("a100_40gb", 0.58), ("h100", 0.53))
    ]
    cells += [modelled("kv_cache_int8", "l4", 1.02, verdict="unchanged")]
    rows = ("t4", "t4x2", "l4", "a10g", "l40s", "v100", "rtx4090", "a100_20gb", "a100_80gb", "h100", "h200")
    cells += [
        not_run("flash_attention", row, "needs compute capability 8.0, this is cpu") for row in rows[:2]
    ]
    cells += [not_run("divergence_check", row, "needs an accelerator, this is cpu") for row in rows]
    cells += [not_run("segment_sizes", row, "host only: measured on the row cpu") for row in rows]
    return [*cells, not_run("gepa_threads", "cpu", "budget: 0 s of 60 s left")]


def realistic() -> Document:
    """One run on `cpu` in which every state occurs once or more."""
    return document(_placement() + _others() + _elsewhere(), exit_code=10)


def second_machine() -> Document:
    """A run on a machine with an L4, to be merged with `realistic`."""
    ttft = finding(
        "time_to_first_token",
        clock="cuda_event",
        baseline=1.91,
        optimized=1.33,
        effect=effect(0.696, 0.688, 0.705),
        rounds=40,
        claims=[claim(0.5, 0.77, "met", "1.3-2.0x faster prefill")],
    )
    made = document(
        [cell("flash_attention", "l4", engine="vLLM", model="Qwen3-4B-Instruct-2507-FP8", findings=[ttft])],
        "l4",
        id="run-20261120T220000-77aa10",
        commit="77aa10bbccdd",
    )
    gpu = {"name": "NVIDIA L4", "memory_gib": 24.0, "capability": "8.9", "driver": "570.10"}
    return made | {
        "machine": machine("l4", gpus=[gpu], noise_floor=0.004, isolated=True),
        "micro": [],
        "vanished": [],
    }


def green() -> Document:
    """Refuted claims and a refused candidate, and nothing that fails a run."""
    kept = [made for made in realistic()["cells"] if made["optimization"] != "score_kernel"]
    return document(kept) | {"vanished": []}


def many(count: int) -> Document:
    """`count` measured cells of different size of effect, named so that sorting by name is no help."""
    cells = []
    for i in range(count):
        ratio = 0.5 + ((i * 7919) % count) / count
        verdict = "improved" if ratio < 0.97 else "worse" if ratio > 1.03 else "unchanged"
        cells.append(
            cell(
                "sweep",
                params={"index": i, "kind": "x" * 30},
                findings=[
                    finding(
                        verdict=verdict,
                        effect=effect(ratio, ratio - 0.01, ratio + 0.01),
                        claims=[
                            claim(
                                0.5,
                                0.9,
                                "met" if ratio < 0.9 else "refuted",
                                f"promise number {i} of a long document",
                            )
                        ],
                    )
                ],
            )
        )
    return document(cells) | {"vanished": []}


def hostile(text: str) -> Document:
    """`text` in every place where data can hold text."""
    made = finding(
        text,
        text,
        reason=text,
        claims=[claim(0.2, 0.4, "met", text) | {"source": text}],
        gate_result={"state": "regressed", "detail": text},
    )
    ran = cell("x", params={text: text}, findings=[made])
    ran |= {
        "nodeid": text,
        "optimization": text,
        "title": text,
        "hardware": text,
        "engine": text,
        "model": text,
    }
    skipped = not_run("y", "l4", text) | {"optimization": text, "title": text, "hardware": text}
    whole = document(
        [ran, ran | {"params": {"a": text}}, skipped], id=text, commit=text, command=[text], exit_code=10
    )
    whole["machine"] |= {
        "hardware": text,
        "cpu": {"model": text, "cores": 2, "memory_gib": 1.0},
        "os": text,
        "python": text,
        "gpus": [{"name": text, "memory_gib": 24.0, "capability": text, "driver": text}],
        "packages": {text: text},
        "fingerprint": text,
    }
    whole["micro"] = [whole["micro"][0] | {"nodeid": text, "group": text, "hardware": text}]
    whole["vanished"] = [{"nodeid": text, "detail": text}]
    return whole
