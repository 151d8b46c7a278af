"""One worker process of a side-by-side comparison: what it serves, how it is asked, where it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.cells import blank_cell
from harness.errors import HarnessError
from harness.measure.clocks import stopwatch
from harness.measure.outcome import Cell
from harness.measure.rounds import Pair, ready_pair
from harness.measure.spec import Clock, Metric
from harness.pair import Declaration, Identity


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
    with ready_pair(*arms, (), clock_of(identity), declaration.each_round, declaration.tally) as pair:
        pair.arms["optimized"].first_call()
        yield pair


def clock_of(identity: Identity) -> Clock:
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
