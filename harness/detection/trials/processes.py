"""Samples scored by several processes, each with a model of its own: one for each device.

Processes are spawned, since CUDA does not survive a fork. A worker gets one batch at a time and the next when
it is done, so that lengths even out; results are in the order of the samples. A worker that fails, dies or
does not answer is an error that names the sample.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from harness.detection.capture.batches import sorted_under
from harness.detection.capture.fast import TOKEN_BUDGET
from harness.detection.sample import Sample, Scores
from harness.errors import HarnessError

START_S = 600.0
ANSWER_S = 600.0
STOP_S = 10.0
BATCHES_EACH = 4
"""Batches for each worker at least: with fewer, one would wait for the other's last."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One process: its model's folder, its threads, and the cards it sees ("0", or "0,1"), none for a CPU.

    On one card the model is in NF4 there; over several the library spreads its layers evenly ("balanced"),
    so that one card works at a time.
    """

    folder: Path
    threads: int = 1
    cards: str = ""


@dataclass(slots=True)
class _Running:
    """A started worker; `batch` are the numbers of the samples it was asked for."""

    name: str
    process: Any
    connection: Connection
    batch: tuple[int, ...] = ()
    asked_s: float = 0.0


class Pool:
    """Workers that stay, with their models loaded, until `close`; a context manager.

    Raises HarnessError where a worker cannot start.
    """

    def __init__(self, workers: Sequence[Worker], *, answer_s: float = ANSWER_S) -> None:
        self._answer_s = answer_s
        self._running: list[_Running] = []
        context = multiprocessing.get_context("spawn")
        try:
            for number, worker in enumerate(workers):
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs, worker), daemon=True)
                process.start()
                theirs.close()
                self._running.append(_Running(f"worker {number}", process, ours))
            for running in self._running:
                self._answer_of(running, START_S, "while it started")
        except BaseException:
            self.close()
            raise

    def score(self, samples: Sequence[Sample]) -> list[Scores]:
        """The scores of all heads and layers of each sample, in the order given.

        Raises HarnessError where a worker fails, dies or does not answer in time; the pool is closed then.
        """
        if not self._running:
            raise HarnessError("the workers were stopped", next_step="make a new pool")
        try:
            return self._score(samples)
        except BaseException:
            # a worker may still be busy with what nobody waits for
            self.close()
            raise

    def close(self) -> None:
        """Stop all workers; those that do not end by themselves are killed."""
        for running in self._running:
            running.connection.close()
        for running in self._running:
            running.process.join(STOP_S if not running.batch else 0.0)
            if running.process.is_alive():
                running.process.kill()
                running.process.join()
        self._running = []

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _score(self, samples: Sequence[Sample]) -> list[Scores]:
        lengths = [len(sample.tokens) - 1 for sample in samples]
        even = sum(lengths) // (len(self._running) * BATCHES_EACH)
        plan = sorted_under(lengths, min(TOKEN_BUDGET, even))
        # from the end, so that the longest come first and the shortest even out
        waiting = [batch for batch in reversed(plan.batches) if batch]
        found: dict[int, Scores] = {}
        for running in self._running:
            self._give(running, waiting, samples)
        while busy := [running for running in self._running if running.batch]:
            first = min(busy, key=lambda running: running.asked_s)
            left_s = max(0.0, first.asked_s + self._answer_s - time.monotonic())
            ready = wait([running.connection for running in busy], left_s)
            for running in [it for it in busy if it.connection in ready] or [first]:
                scores = self._answer_of(running, 0.0, f"at {_named(running.batch, samples)}")
                found.update(zip(running.batch, scores, strict=True))
                running.batch = ()
                self._give(running, waiting, samples)
        return [found[number] for number in range(len(samples))]

    def _give(self, running: _Running, waiting: list[tuple[int, ...]], samples: Sequence[Sample]) -> None:
        if not waiting:
            return
        running.batch, running.asked_s = waiting.pop(), time.monotonic()
        try:
            running.connection.send([samples[number] for number in running.batch])
        except OSError as error:
            raise _died(running, f"at {_named(running.batch, samples)}") from error

    def _answer_of(self, running: _Running, wait_s: float, doing: str) -> Any:
        if not running.connection.poll(wait_s):
            raise HarnessError(f"{running.name} gave no answer in time {doing}", next_step="see its output")
        try:
            kind, answer = running.connection.recv()
        except (EOFError, OSError) as error:
            raise _died(running, doing) from error
        if kind == "failed":
            raise HarnessError(f"{running.name} failed {answer}")
        return answer


def _died(running: _Running, doing: str) -> HarnessError:
    running.process.join(STOP_S)
    return HarnessError(f"{running.name} died {doing}, exit code {running.process.exitcode}")


def _named(batch: Sequence[int], samples: Sequence[Sample]) -> str:
    names = ", ".join(samples[number].id for number in batch)
    return f"sample {names}" if len(batch) == 1 else f"one of samples {names}"


def one_device(folder: Path, on_cpu: bool) -> tuple[Worker, ...]:
    """One process on one core or card."""
    return (Worker(folder, cards="" if on_cpu else "0"),)


def both_devices(folder: Path, on_cpu: bool) -> tuple[Worker, ...]:
    """One process over two of them: two threads, or half of the layers on each card."""
    return (Worker(folder, threads=2) if on_cpu else Worker(folder, cards="0,1"),)


def two_processes(folder: Path, on_cpu: bool) -> tuple[Worker, ...]:
    """A process for each of two."""
    return tuple(Worker(folder, cards="" if on_cpu else str(card)) for card in range(2))


# --- inside a worker ---


def _serve(connection: Connection, worker: Worker) -> None:
    """Load, say so, then score what comes until the other end is closed."""
    if worker.cards:
        # before torch asks the driver what there is
        os.environ["CUDA_VISIBLE_DEVICES"] = worker.cards
    try:
        try:
            scored = _scorer(worker)
        except Exception as error:  # whatever it is, the parent waits to be told
            connection.send(("failed", f"while it started: {_told(error)}"))
            return
        connection.send(("ready", None))
        while True:
            connection.send(_scored(scored, connection.recv()))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


def _scorer(worker: Worker) -> Any:
    import torch

    from harness.detection.capture.fast import score
    from harness.detection.trials.checkpoint import ready_from

    torch.set_num_threads(worker.threads)
    ready = ready_from(worker.folder, loading_of(worker))
    return lambda samples: ready.run(score, samples)


def loading_of(worker: Worker) -> Any:
    """How a worker loads its model, by the cards it sees."""
    from harness.detection.capture.loading import Loading

    if not worker.cards:
        return Loading()
    spread: Literal["balanced"] | None = "balanced" if "," in worker.cards else None
    return Loading(device="cuda", nf4=True, device_map=spread)


def _scored(score: Any, samples: Sequence[Sample]) -> tuple[str, Any]:
    try:
        return "scored", score(samples)
    except Exception as error:  # whatever it is, the parent waits to be told
        return "failed", f"at sample {_culprit(score, samples)}: {_told(error)}"


def _culprit(score: Any, samples: Sequence[Sample]) -> str:
    """The first sample that fails alone too; all of them where none does."""
    for sample in samples:
        try:
            score([sample])
        except Exception:  # it has been caught and told once already; this only finds whose it is
            return sample.id
    return ", ".join(sample.id for sample in samples) + " together"


def _told(error: Exception) -> str:
    message = error.message if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}"
    return message.strip().splitlines()[0]
