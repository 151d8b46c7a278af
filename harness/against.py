"""`--against REV`: this tree against a revision, by two long-lived workers whose rounds alternate.

Two revisions cannot share a process, and two processes one after the other are not comparable
(between-process noise is tens of percent). So each revision gets a worker, the rounds ping-pong
between them, and fresh pairs of workers average out what a process fixes for its whole life
(memory layout, hash seed). The interval and p are Student's t over the pairs. Counts are exact: each
worker reports those of its optimized arm once.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.cells import blank_cell
from harness.errors import HarnessError
from harness.measure import stats
from harness.measure.clocks import stopwatch
from harness.measure.outcome import Cell, Effect, Finding, GateResult, GateState
from harness.measure.rounds import Pair, ready_pair
from harness.measure.spec import Clock, Metric
from harness.measure.verdicts import judge, judge_exact
from harness.pair import Declaration, Identity

PAIRS = 5
MIN_ROUNDS = 5
MIN_SAMPLE_S = 1e-3
CONFIDENCE = 0.99


def serve(pipes: str) -> Callable[[Identity, Declaration], Cell]:
    """The worker's side: run the optimized arm whenever the parent asks; `pipes` is "IN,OUT" descriptors.

    The first answer, after the warm-up, also has the counts: {"seconds": ..., "exact": {metric: value}}.
    """

    def settle(identity: Identity, declaration: Declaration) -> Cell:
        incoming, outgoing = (int(number) for number in pipes.split(","))
        with (
            os.fdopen(incoming) as requests,
            os.fdopen(outgoing, "w", buffering=1) as answers,
            _ready(identity, declaration) as pair,
        ):
            warm_s = min(_seconds(pair, 1) for _ in range(3))
            greeting = {"seconds": warm_s, "exact": _counts(identity, pair)}
            answers.write(json.dumps(greeting) + "\n")
            for request in requests:
                answers.write(
                    json.dumps({"seconds": _seconds(pair, json.loads(request)["iterations"])}) + "\n"
                )
        return blank_cell(identity, "served its rounds to another process")

    return settle


@contextmanager
def _ready(identity: Identity, declaration: Declaration) -> Iterator[Pair]:
    arms = declaration.baseline, declaration.optimized
    with ready_pair(*arms, (), _clock(identity), declaration.each_round, declaration.tally) as pair:
        pair.arms["optimized"].first_call()
        yield pair


def _clock(identity: Identity) -> Clock:
    metric = timed_metric(identity)
    return (metric.clock if metric is not None else None) or identity.row.clock


def _seconds(pair: Pair, iterations: int) -> float:
    arm = pair.arms["optimized"]
    durations, _ = arm.execute((stopwatch(pair.default_clock),), iterations if arm.is_repeatable else 1)
    return durations[0]


def _counts(identity: Identity, pair: Pair) -> dict[str, float]:
    _, result = pair.arms["optimized"].execute((), 1)
    return {
        m.name: float(getattr(pair.tally, str(m.counter)) if m.value is None else m.value(result))
        for m in counted_metrics(identity)
    }


def timed_metric(identity: Identity) -> Metric | None:
    """The first duration that is gated, or None. A rate is no duration: revisions may differ in the work."""
    for metric in identity.optimization.metrics:
        if metric.gate == "paired" and metric.is_timed and metric.work is None:
            return metric
    return None


def counted_metrics(identity: Identity) -> list[Metric]:
    """The metrics that are gated as exact."""
    return [metric for metric in identity.optimization.metrics if metric.gate == "exact"]


class Worker:
    """One pytest process that holds one benchmark's optimized arm ready; use as a context manager."""

    def __init__(self, tree: Path, nodeid: str, matrix: Path) -> None:
        child_in, self._to_child = os.pipe()
        self._from_child, child_out = os.pipe()
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives as long as the worker)
        command = [sys.executable, "-m", "pytest", "-q", nodeid, "--matrix", str(matrix)]
        command += ["--worker-pipes", f"{child_in},{child_out}", "-p", "no:cacheprovider"]
        self._process = subprocess.Popen(
            command,
            cwd=tree,
            # before an editable installation, which would serve the head's code to both
            env={**os.environ, "PYTHONPATH": f"{tree}{os.pathsep}{tree / 'src'}"},
            pass_fds=(child_in, child_out),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        os.close(child_in)
        os.close(child_out)
        self._requests = os.fdopen(self._to_child, "w", buffering=1)
        self._answers = os.fdopen(self._from_child)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.close()
        self._answers.close()
        self._process.kill()
        self._process.wait()
        self._log.close()

    def greeting(self) -> tuple[float, dict[str, float]]:
        """Seconds per call after the warm-up, and the counts by metric; none of an older worker."""
        answer = self._answer()
        return float(answer["seconds"]), dict(answer.get("exact", {}))

    def seconds(self, iterations: int) -> float:
        """Seconds per call, of this many."""
        self._requests.write(json.dumps({"iterations": iterations}) + "\n")
        return float(self._answer()["seconds"])

    def _answer(self) -> dict[str, Any]:
        """The next answer; raises HarnessError with the worker's last words when it ended."""
        line = self._answers.readline()
        if not line:
            raise HarnessError(f"the worker ended: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        self._process.wait(timeout=30)
        self._log.seek(0)
        lines = [line.strip() for line in self._log.read().splitlines() if line.strip()]
        return lines[-1][:200] if lines else f"exit code {self._process.returncode}"


@contextmanager
def checkout(root: Path, revision: str) -> Iterator[Path]:
    """The folder `root` as of `revision`, in a temporary work tree.

    Raises HarnessError (exit 4) for an unknown revision, and for one that has no such folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "base"
        add = ["git", "-C", str(root), "worktree", "add", "--detach", "--quiet", str(tree), revision]
        done = subprocess.run(add, capture_output=True, text=True, check=False)
        if done.returncode:
            raise HarnessError(
                f"neither a run nor a git revision: {revision!r}",
                allowed="a run id, a path, latest, or what `git rev-parse` takes",
                next_step="git fetch the base revision first",
            )
        prefix = ["git", "-C", str(root), "rev-parse", "--show-prefix"]
        inside = subprocess.run(prefix, capture_output=True, text=True, check=True).stdout.strip()
        try:
            if not (tree / inside).is_dir():
                raise HarnessError(f"{revision} has no folder {inside}", next_step="choose a later revision")
            yield tree / inside
        finally:
            remove = ["git", "-C", str(root), "worktree", "remove", "--force", str(tree)]
            subprocess.run(remove, capture_output=True, check=False)


@dataclass(frozen=True, slots=True)
class _Served:
    """One pair of workers: seconds per call by round, and counts by metric, of base and head."""

    seconds: tuple[list[float], list[float]]
    counts: tuple[dict[str, float], dict[str, float]]


def side_by_side(
    identity: Identity, trees: tuple[Path, Path], matrix: Path, budget_s: float, seed: int
) -> Cell:
    """The cell's optimized arm in two source trees: base (arm `baseline`) and head (arm `optimized`).

    Not run when nothing of it can be compared, and, with the worker's last words, when either tree
    cannot serve the benchmark.
    """
    timed, counted = timed_metric(identity), counted_metrics(identity)
    if timed is None and not counted:
        return blank_cell(identity, "neither a gated duration nor a count: nothing to compare side by side")
    rng = np.random.default_rng(seed)
    each_s = budget_s / PAIRS if timed is not None else 0.0
    try:
        served = [_one_pair(identity.nodeid, trees, matrix, each_s, rng) for _ in range(PAIRS)]
    except HarnessError as error:
        return blank_cell(identity, error.message)
    findings = [_counted_finding(metric, served) for metric in counted]
    if timed is not None:
        findings.insert(0, _timed_finding(timed, timed.clock or identity.row.clock, served))
    return replace(blank_cell(identity, ""), state="measured", findings=tuple(findings), seed=seed)


def _timed_finding(metric: Metric, clock: Clock, served: Sequence[_Served]) -> Finding:
    before, after = ([float(np.median(pair.seconds[side])) for pair in served] for side in (0, 1))
    means = [float(np.median(stats.log_ratios(*pair.seconds))) for pair in served]
    low, high = stats.mean_t_interval(means, CONFIDENCE)
    effect = Effect(
        math.exp(float(np.mean(means))),
        math.exp(low),
        math.exp(high),
        CONFIDENCE,
        p=stats.mean_t_p(means),
        mde80=stats.minimal_detectable_effect(low, high, CONFIDENCE),
    )
    return replace(
        _blank_finding(metric, sum(len(pair.seconds[0]) for pair in served)),
        verdict=judge(effect, metric.better, metric.floor),
        clock=clock,
        baseline=float(np.median(before)),
        optimized=float(np.median(after)),
        effect=effect,
    )


def _counted_finding(metric: Metric, served: Sequence[_Served]) -> Finding:
    """Base's count against head's; every worker of a tree must give the same."""
    blank = replace(_blank_finding(metric, len(served)), verdict="inconclusive")
    found: list[float] = []
    for side, tree in enumerate(("base", "head")):
        values = {pair.counts[side].get(metric.name, math.nan) for pair in served}
        if not all(map(math.isfinite, values)):
            return replace(blank, reason=f"{tree} gives no such count")
        if len(values) > 1:
            return replace(blank, reason=f"not exact: {tree} gave {min(values):g} to {max(values):g}")
        found += values
    before, after = found
    ratio = after / before if before > 0 and after > 0 else None
    return replace(
        blank,
        verdict=judge_exact(before, after, metric.better),
        baseline=before,
        optimized=after,
        effect=None if ratio is None else Effect(ratio, ratio, ratio, 1.0),
    )


def _blank_finding(metric: Metric, rounds: int) -> Finding:
    return Finding(
        metric=metric.name,
        unit=metric.unit,
        better=metric.better,
        gate=metric.gate,
        provenance="measured",
        verdict="not run",
        rounds=rounds,
        floor=metric.floor,
        tolerance=metric.tolerance,
    )


def gated(cells: Sequence[Cell]) -> list[Cell]:
    """The cells of a run side by side, each finding's gate result set from its (final) verdict."""
    return [
        replace(cell, findings=tuple(replace(f, gate_result=_gate(f)) for f in cell.findings))
        for cell in cells
    ]


def _gate(finding: Finding) -> GateResult:
    if finding.verdict == "inconclusive":
        return GateResult("inconclusive", finding.reason or "too noisy to tell head from base")
    if finding.gate == "exact":
        before, after = finding.baseline or 0.0, finding.optimized or 0.0
        if abs(after - before) > finding.tolerance * abs(before):
            changed = f"{before:,.10g} -> {after:,.10g} {finding.unit}".rstrip()
            return GateResult("left ratchet", f"head against base: {changed}")
        return GateResult("pass", "head against base")
    state: GateState = "regressed" if finding.verdict == "worse" else "pass"
    return GateResult(state, f"head against base, {PAIRS} pairs of processes")


def _one_pair(
    nodeid: str, trees: tuple[Path, Path], matrix: Path, budget_s: float, rng: np.random.Generator
) -> _Served:
    head = trees[1]
    inside = matrix.is_relative_to(head)
    with ExitStack() as stack:
        workers = []
        for tree in trees:
            own = tree / matrix.relative_to(head) if inside else matrix
            workers.append(stack.enter_context(Worker(tree, nodeid, own)))
        (base_s, base), (head_s, ours) = (worker.greeting() for worker in workers)
        iterations = max(1, math.ceil(MIN_SAMPLE_S / max(base_s, head_s, 1e-9)))
        samples: tuple[list[float], list[float]] = ([], [])
        deadline = time.perf_counter() + budget_s
        while len(samples[0]) < MIN_ROUNDS or time.perf_counter() < deadline:
            for side in rng.permutation(2):
                samples[side].append(workers[side].seconds(iterations))
        return _Served(samples, (base, ours))
