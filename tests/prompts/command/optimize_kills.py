"""`harness optimize-prompt` killed at random moments and resumed: calls that reached a model, and the result.

As a script, `optimize_kills.py KILLS [OPTION...]`, it prints what it saw for the command with these options.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.calls.journal import read_journal
from harness.calls.journal_lines import Place


@dataclass(frozen=True)
class Killed:
    """`moments` are seconds from the opened journal to each SIGKILL, `kept` the answers kept by then.

    `paid` are the answers that the killed run had from an engine, over all its processes, `whole` those of an
    uninterrupted run. `lost` were kept once and are not at the end.
    """

    moments: tuple[float, ...]
    kept: tuple[int, ...]
    paid: int
    whole: int
    lost: int
    same_result: bool


def killed_runs(folder: Path, kills: int, options: list[str], seed: int = 0) -> Killed:
    """Run once whole, then again with `kills` SIGKILLs, each followed by the same command."""
    r = random.Random(f"optimize kills {seed}")
    process = _run(folder / "whole", options)
    _opened(folder / "whole", process, 0)
    began = time.monotonic()
    assert process.wait() == 0
    asks_s = time.monotonic() - began
    moments, kept, ever = [], [], set[Place]()
    for _ in range(kills):
        process = _run(folder / "killed", options)
        _opened(folder / "killed", process, len(kept))
        # so that the kills are spread over the whole run
        time.sleep(moment := r.uniform(0.0, 2.0) * asks_s / (kills + 1))
        process.kill()
        process.wait()
        moments.append(moment)
        found = _paid(folder / "killed")
        kept.append(len(found))
        ever |= found
    assert _run(folder / "killed", options).wait() == 0
    paid, whole = _paid(folder / "killed"), _paid(folder / "whole")
    same = (folder / "killed/result.json").read_bytes() == (folder / "whole/result.json").read_bytes()
    return Killed(tuple(moments), tuple(kept), len(paid), len(whole), len(ever - paid), same)


def _opened(folder: Path, process: subprocess.Popen[bytes], before: int) -> None:
    """Wait until the process has opened the journal, as `before` others did."""
    path = folder / "journal.jsonl"
    while process.poll() is None:
        if path.is_file() and path.read_bytes().count(b'"opened"') > before:
            return
        time.sleep(0.01)


def _paid(folder: Path) -> set[Place]:
    """Calls whose answer came from an engine. A journal that answers one call twice cannot be read."""
    path = folder / "journal.jsonl"
    if not path.is_file() or not path.stat().st_size:
        return set()
    return {place for place, answer in read_journal(path).answers.items() if answer.source == "engine"}


def _run(output: Path, options: list[str]) -> subprocess.Popen[bytes]:
    command = [
        sys.executable, "-c", "from harness.cli import main; raise SystemExit(main())", "optimize-prompt",
        "--output", str(output), "--no-cache", *options,
    ]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        seen = killed_runs(Path(folder), int(sys.argv[1]), sys.argv[2:])
    print(json.dumps(asdict(seen)))


if __name__ == "__main__":
    main()
