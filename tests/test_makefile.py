"""The two commands: what they start, and the one line they say when they cannot."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make without letting the surrounding `make test` lend it options or variables."""
    environment = {"PATH": f"{ROOT / '.venv/bin'}:/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}
    command = [shutil.which("make") or "make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["install", "EXTRA=nope"], "no extra named 'nope' (allowed: detection extraction gpu models"),
        (["test", "PYTHON=no-such-python"], "needs Python 3.11, 3.12 or 3.13 (tried: no-such-python)"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], says: str) -> None:
    done = make(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_bench_runs_the_gate_tier_and_passes_arguments_on() -> None:
    done = make("--dry-run", "bench", "BENCH_ARGS=--budget 60")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == '.venv/bin/pytest benchmarks -m "cpu and not slow" --budget 60'


def test_a_lock_newer_than_the_environment_is_installed_again() -> None:
    done = make("--dry-run", "--what-if=locks/core.txt", "test")
    assert "--require-hashes -r locks/core.txt -r locks/dev.txt" in done.stdout
