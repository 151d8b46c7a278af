"""`harness predict` as a user calls it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def predict(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`predict(*words)` -> (exit code, stdout, stderr); with `--json` what stdout holds."""
    monkeypatch.chdir(ROOT)

    def run(*words: object) -> tuple[int, Any, str]:
        asked = ["predict", *map(str, words)]
        try:
            code = main(asked)
        except SystemExit as left:  # argparse's own way out
            code = int(left.code or 0)
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in asked and out else out, err

    return run
