"""`--against REV`: this tree against a revision, by two long-lived workers whose rounds alternate.

Two revisions cannot share a process, and two processes one after the other are not comparable
(between-process noise is tens of percent). So each revision gets a worker, the rounds ping-pong
between them, and fresh pairs of workers average out what a process fixes for its whole life
(memory layout, hash seed). The interval is Student's t over the pairs.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.cells import blank_cell
from harness.errors import HarnessError
from harness.measure import stats
from harness.measure.clocks import stopwatch
from harness.measure.outcome import Cell, Effect, Finding, GateResult, GateState
from harness.measure.rounds import ready_pair
from harness.measure.spec import Metric
from harness.measure.verdicts import judge
from harness.pair import Declaration, Identity

PAIRS = 5
MIN_ROUNDS = 5
MIN_SAMPLE_S = 1e-3
CONFIDENCE = 0.99


def serve(pipes: str) -> Callable[[Identity, Declaration], Cell]:
    """The worker's side: run the optimized arm whenever the parent asks; `pipes` is "IN,OUT" descriptors."""

    def settle(identity: Identity, declaration: Declaration) -> Cell:
        incoming, outgoing = (int(number) for number in pipes.split(","))
        with (
            os.fdopen(incoming) as requests,
            os.fdopen(outgoing, "w", buffering=1) as answers,
            _optimized_arm(identity, declaration) as timed,
        ):
            answers.write(json.dumps({"seconds": min(timed(1) for _ in range(3))}) + "\n")
            for request in requests:
                answers.write(json.dumps({"seconds": timed(json.loads(request)["iterations"])}) + "\n")
        return blank_cell(identity, "served its rounds to another process")

    return settle


@contextmanager
def _optimized_arm(identity: Identity, declaration: Declaration) -> Iterator[Callable[[int], float]]:
    metric = timed_metric(identity)
    arms = declaration.baseline, declaration.optimized
    with ready_pair(*arms, (metric,), identity.row.clock, declaration.each_round, declaration.tally) as pair:
        arm, watch = pair.arms["optimized"], stopwatch(metric.clock or identity.row.clock)
        arm.first_call()
        yield lambda iterations: arm.execute((watch,), iterations if arm.is_repeatable else 1)[0][0]


def timed_metric(identity: Identity) -> Metric:
    """The first metric that is gated on time; raises HarnessError when there is none."""
    for metric in identity.optimization.metrics:
        if metric.gate == "paired" and metric.is_timed:
            return metric
    raise HarnessError("no timed metric, nothing to compare side by side", where=identity.nodeid)


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

    def seconds(self, iterations: int = 0) -> float:
        """Seconds per call of the next answer; 0 iterations wait for the warm-up's answer.

        Raises HarnessError with the worker's last words when it ended.
        """
        if iterations:
            self._requests.write(json.dumps({"iterations": iterations}) + "\n")
        answer = self._answers.readline()
        if not answer:
            raise HarnessError(f"the worker ended: {self._last_words()}")
        return float(json.loads(answer)["seconds"])

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


def side_by_side(
    identity: Identity, trees: tuple[Path, Path], matrix: Path, budget_s: float, seed: int
) -> Cell:
    """The cell's optimized arm in two source trees: base (arm `baseline`) and head (arm `optimized`).

    Not run, with the worker's last words, when either tree cannot serve the benchmark.
    """
    metric = timed_metric(identity)
    rng = np.random.default_rng(seed)
    means, base_s, head_s, rounds = [], [], [], 0
    for _ in range(PAIRS):
        try:
            before, after = _one_pair(identity.nodeid, trees, matrix, budget_s / PAIRS, rng)
        except HarnessError as error:
            return blank_cell(identity, error.message)
        means.append(float(np.median(stats.log_ratios(before, after))))
        base_s.append(float(np.median(before)))
        head_s.append(float(np.median(after)))
        rounds += len(before)
    low, high = stats.mean_t_interval(means, CONFIDENCE)
    effect = Effect(
        math.exp(float(np.mean(means))),
        math.exp(low),
        math.exp(high),
        CONFIDENCE,
        mde80=stats.minimal_detectable_effect(low, high, CONFIDENCE),
    )
    verdict = judge(effect, "lower", metric.floor)
    state: GateState = "regressed" if verdict == "worse" else "pass"
    if verdict == "inconclusive":
        state = "inconclusive"
    finding = Finding(
        metric=metric.name,
        unit="s",
        better="lower",
        gate="paired",
        provenance="measured",
        verdict=verdict,
        clock=metric.clock or identity.row.clock,
        rounds=rounds,
        baseline=float(np.median(base_s)),
        optimized=float(np.median(head_s)),
        effect=effect,
        floor=metric.floor,
        gate_result=GateResult(state, f"head against base, {PAIRS} pairs of processes"),
    )
    return replace(blank_cell(identity, ""), state="measured", findings=(finding,), seed=seed)


def _one_pair(
    nodeid: str, trees: tuple[Path, Path], matrix: Path, budget_s: float, rng: np.random.Generator
) -> tuple[list[float], list[float]]:
    head = trees[1]
    inside = matrix.is_relative_to(head)
    with ExitStack() as stack:
        workers = []
        for tree in trees:
            own = tree / matrix.relative_to(head) if inside else matrix
            workers.append(stack.enter_context(Worker(tree, nodeid, own)))
        call_s = max(worker.seconds() for worker in workers)
        iterations = max(1, math.ceil(MIN_SAMPLE_S / max(call_s, 1e-9)))
        samples: tuple[list[float], list[float]] = ([], [])
        deadline = time.perf_counter() + budget_s
        while len(samples[0]) < MIN_ROUNDS or time.perf_counter() < deadline:
            for side in rng.permutation(2):
                samples[side].append(workers[side].seconds(iterations))
        return samples
