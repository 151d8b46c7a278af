from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main
from harness.extraction.command.options import calibration_of
from harness.extraction.pipeline.calibration import OF_EMBEDDED, SHIPPED, read_calibration


class Asked:
    """What the options parser would have filled."""

    def __init__(self, reader: str, calibration: Path | None = None) -> None:
        self.reader, self.calibration = reader, calibration


def test_each_reader_gets_the_table_that_was_fitted_to_it() -> None:
    assert calibration_of(Asked("embedded")) == read_calibration(OF_EMBEDDED)  # type: ignore[arg-type]
    assert calibration_of(Asked("endpoint")) == read_calibration(SHIPPED)  # type: ignore[arg-type]
    assert calibration_of(Asked("embedded", SHIPPED)) == read_calibration(SHIPPED)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", ["", "{}", '{"points": [[0.5, 2]], "values": 1, "origin": "o"}'])
def test_a_broken_table_is_refused_before_anything_is_read(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.json"
    table.write_text(content)
    (tmp_path / "c").mkdir()
    assert main(["extract", str(tmp_path / "c"), "--calibration", str(table)]) == 4
    assert "calibration" in capsys.readouterr().err
