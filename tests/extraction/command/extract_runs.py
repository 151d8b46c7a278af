"""`harness extract` as a process: killed at random moments, under other hash seeds.

As a script, `extract_runs.py KILLS ROOT [OPTION...]`, it prints what it saw of such a command.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.calls.journal import read_journal
from harness.calls.journal_lines import Place

TABLES = ("facilities.csv", "evidence.csv", "result.json")


@dataclass(frozen=True)
class Killed:
    """`kept` are the answers kept by each SIGKILL, `paid` those of the killed run over all its processes,
    `whole` those of an uninterrupted one; `lost` were kept once and are not at the end."""

    kept: tuple[int, ...]
    paid: int
    whole: int
    lost: int
    same_result: bool


def extract(root: Path, output: Path, *options: str, hash_seed: int = 0) -> subprocess.Popen[bytes]:
    """The command, running."""
    command = [
        sys.executable, "-c", "from harness.cli import main; raise SystemExit(main())", "extract", str(root),
        "--output", str(output), "--no-cache", "--resume", *options,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def tables(output: Path) -> list[bytes]:
    """What the run wrote."""
    return [(output / name).read_bytes() for name in TABLES]


def killed_runs(root: Path, folder: Path, kills: int, *options: str, seed: int = 0) -> Killed:
    """Run once whole, then again with `kills` SIGKILLs, each followed by the same command."""
    r = random.Random(f"extract kills {seed}")
    process = extract(root, folder / "whole", *options)
    _opened(folder / "whole", process, 0)
    began = time.monotonic()
    assert process.wait() == 0
    asks_s = time.monotonic() - began
    kept, ever = [], set[Place]()
    for _ in range(kills):
        process = extract(root, folder / "killed", *options)
        _opened(folder / "killed", process, len(kept))
        time.sleep(r.uniform(0.0, 2.0) * asks_s / (kills + 1))
        process.kill()
        process.wait()
        found = _paid(folder / "killed")
        kept.append(len(found))
        ever |= found
    assert extract(root, folder / "killed", *options).wait() == 0
    paid, whole = _paid(folder / "killed"), _paid(folder / "whole")
    same = tables(folder / "killed") == tables(folder / "whole")
    return Killed(tuple(kept), len(paid), len(whole), len(ever - paid), same)


def _opened(folder: Path, process: subprocess.Popen[bytes], before: int) -> None:
    """Wait until the process has opened the journal, as `before` others did."""
    path = folder / "journal.jsonl"
    while process.poll() is None:
        if path.is_file() and path.read_bytes().count(b'"opened"') > before:
            return
        time.sleep(0.01)


def _paid(folder: Path) -> set[Place]:
    path = folder / "journal.jsonl"
    if not path.is_file() or not path.stat().st_size:
        return set()
    return {place for place, answer in read_journal(path).answers.items() if answer.source == "engine"}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        seen = killed_runs(Path(sys.argv[2]), Path(folder), int(sys.argv[1]), *sys.argv[3:])
    print(json.dumps(asdict(seen)))


if __name__ == "__main__":
    main()
