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
    """`predict(*words)` -> (exit code, stdout, stderr); stdout read as JSON where `--json` asks for it."""
    monkeypatch.chdir(ROOT)

    def run(*words: object) -> tuple[int, Any, str]:
        asked = ["predict", *map(str, words)]
        try:
            code = main(asked)
        except SystemExit as left:
            code = int(left.code or 0)
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in asked and code in (0, 3) and out else out, err

    return run
