"""Ctrl-C, sent for real to processes of their own."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.errors import EXIT_INFRASTRUCTURE, HarnessError
from harness.placement.solver.interruption import Stop, run_until_stopped, stop_on_interrupt

ROOT = Path(__file__).parents[3]
Report = Callable[[int], None]

LONG_SOLVE = """
from pathlib import Path
from harness.placement import CORRECTED, DOCUMENTED, all_sizes, enumerate_segments, fine_sizes, read_problem
from harness.placement.solver.interruption import stop_on_interrupt
from harness.placement.documented.linked import build_linked
from harness.placement.documented.milp import Goal, build_model, solve
medium = read_problem(Path("fixtures/placement/medium"))
milp = {form}(enumerate_segments(medium, {sizes}(40), DOCUMENTED), medium, CORRECTED, Goal())
with stop_on_interrupt() as stop:
    print("solving", flush=True)
    found = solve(milp, stop=stop)
print(found.status, found.plan.tokens_per_s if found.plan else None, stop.asked)
"""

DEAF = """
import multiprocessing, time
from harness.placement.solver.interruption import stop_on_interrupt
with stop_on_interrupt() as stop:
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,), daemon=True)
    worker.start()
    print(worker.pid, flush=True)
    while not stop.asked:
        time.sleep(0.01)
    print("heard", flush=True)
    time.sleep(600)
"""


@contextmanager
def running(script: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The script in a process of its own, and the first line it printed."""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("form", "sizes", "answers"),
    [
        pytest.param("build_linked", "fine_sizes", ["no plan found None True"], id="while presolving"),
        pytest.param("build_model", "all_sizes", ["feasible", "no plan found"], id="on the way"),
    ],
)
@pytest.mark.parametrize("whole_group", [True, False], ids=["from the terminal", "to the command alone"])
def test_a_long_solve_ends_at_once_with_what_it_has(
    form: str, sizes: str, answers: list[str], whole_group: bool
) -> None:
    with running(LONG_SOLVE.format(form=form, sizes=sizes)) as (process, line):
        assert line == "solving"
        time.sleep(1.5)
        asked = time.monotonic()
        send = os.killpg if whole_group else os.kill
        send(process.pid, signal.SIGINT)
        printed, errors = process.communicate(timeout=30)
        assert time.monotonic() - asked < 5
    assert (process.returncode, errors) == (0, "")
    assert any(printed.startswith(answer) for answer in answers)
    assert printed.endswith("True\n")


def test_a_second_interrupt_leaves_for_good() -> None:
    with running(DEAF) as (process, worker):
        process.send_signal(signal.SIGINT)
        assert process.stdout
        assert process.stdout.readline() == "heard\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (-signal.SIGINT, "")
    # A killed process may take a moment to be gone.
    deadline = time.monotonic() + 10
    while _alive(int(worker)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _alive(int(worker))


def _alive(pid: int) -> bool:
    """Whether the process still runs; one that ended and was not collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_the_interrupts_of_before_are_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_on_interrupt() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.asked
    assert signal.getsignal(signal.SIGINT) is before


def test_a_search_that_ends() -> None:
    def search(report: Report) -> int:
        report(1)
        return 2

    assert run_until_stopped(search, Stop(), math.inf) == 2


def found_then_stuck(report: Report) -> int:
    report(1)
    report(2)
    time.sleep(600)
    return 3


def test_time_is_over_though_the_search_does_not_notice() -> None:
    assert run_until_stopped(found_then_stuck, Stop(), 0.5) == 2


class AskedAfter(Stop):
    """Asked once it has been looked at this often."""

    def __init__(self, looks: int) -> None:
        self._looks = looks

    @property
    def asked(self) -> bool:  # type: ignore[override]
        self._looks -= 1
        return self._looks < 0


def test_asked_to_stop_it_returns_the_best_so_far() -> None:
    assert run_until_stopped(found_then_stuck, AskedAfter(8), math.inf) == 2


def test_asked_before_it_began() -> None:
    stop = Stop()
    stop.asked = True
    assert run_until_stopped(lambda _: time.sleep(600), stop, math.inf) is None


def test_a_mistake_in_the_search_is_raised_here() -> None:
    def search(_: Report) -> int:
        raise HarnessError("HiGHS refused the model", exit_code=EXIT_INFRASTRUCTURE)

    with pytest.raises(HarnessError, match="HiGHS refused the model") as raised:
        run_until_stopped(search, Stop(), math.inf)
    assert raised.value.exit_code == EXIT_INFRASTRUCTURE


def test_a_search_that_dies_says_so() -> None:
    def search(_: Report) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 1

    with pytest.raises(HarnessError, match="process ended with -9") as raised:
        run_until_stopped(search, Stop(), math.inf)
    assert raised.value.exit_code == EXIT_INFRASTRUCTURE


def test_an_interrupt_that_the_search_hears_first() -> None:
    stop = Stop()

    def search(report: Report) -> int:
        report(1)
        os.kill(os.getpid(), signal.SIGINT)
        return 2

    assert run_until_stopped(search, stop, math.inf) == 1
    assert stop.asked
