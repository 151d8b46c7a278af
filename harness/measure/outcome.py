"""What a measurement *found*: plain frozen data that results and render read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from harness.measure.spec import Better, Gate, Provenance, Role

Verdict = Literal["improved", "unchanged", "worse", "inconclusive", "not run"]
ClaimState = Literal["met", "short", "exceeded", "refuted", "undecided", "not applicable"]
FidelityState = Literal["none", "held", "broken", "refused", "inconclusive"]
CellState = Literal["measured", "modelled", "not run"]
GateState = Literal[
    "pass",  # compared with the committed baseline, nothing worse
    "regressed",  # worse than the committed baseline: exit 10
    "left ratchet",  # an exact metric differs from the committed baseline: exit 10
    "over limit",  # a shipped optimization's fidelity limit is broken: exit 14
    "refused",  # a candidate over its limit: green
    "inconclusive",  # too noisy to tell: exit 11 under --gate=strict
    "no baseline",  # this row never had one: green, with the command that creates it
    "baseline missing",  # it had one (pinned): exit 13
    "incompatible",  # the baseline belongs to another benchmark or workload: exit 13
    "not gated",  # report-only
]


@dataclass(frozen=True, slots=True)
class Effect:
    """optimized / baseline with its interval.

    `confidence` is 1 for a counted effect, and 0 where no interval could be estimated (low and high
    then repeat the ratio). `p` is the randomisation p-value of "no effect", `q` its
    Benjamini-Hochberg value over the run, `mde80` the relative effect this measurement would have
    detected with 80 % power.
    """

    ratio: float
    low: float
    high: float
    confidence: float
    p: float | None = None
    q: float | None = None
    mde80: float | None = None


@dataclass(frozen=True, slots=True)
class ClaimFinding:
    """A claim and what became of it."""

    kind: Literal["ratio", "value"]
    low: float
    high: float
    source: str
    quote: str
    state: ClaimState


@dataclass(frozen=True, slots=True)
class GateResult:
    """What the gate made of one finding, and why in one line."""

    state: GateState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One metric of one cell.

    `baseline` and `optimized` are medians over rounds in `unit`. For a `bounded` metric they are
    None and `effect` holds the loss itself (not a ratio) with its interval, to read against `limit`.
    """

    metric: str
    unit: str
    better: Better
    gate: Gate
    provenance: Provenance
    verdict: Verdict
    reason: str = ""
    clock: str | None = None
    rounds: int = 0
    iterations: int = 1
    baseline: float | None = None
    optimized: float | None = None
    effect: Effect | None = None
    canary: Effect | None = None
    limit: float | None = None
    floor: float = 0.0
    tolerance: float = 0.0
    claims: tuple[ClaimFinding, ...] = ()
    gate_result: GateResult = GateResult("not gated")


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one arm in one round; `order` is the arm's position inside the round."""

    metric: str
    arm: Literal["baseline", "optimized", "canary"]
    round: int
    order: int
    value: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One optimization with one set of parameters on one hardware row."""

    nodeid: str
    optimization: str
    title: str
    role: Role
    hardware: str
    params: dict[str, Any]
    state: CellState
    reason: str = ""
    fidelity: FidelityState = "none"
    benchmark_hash: str = ""
    workload_hash: str = ""
    engine: str | None = None
    model: str | None = None
    seed: int = 0
    elapsed_s: float = 0.0
    findings: tuple[Finding, ...] = ()
    samples: tuple[Sample, ...] = ()
