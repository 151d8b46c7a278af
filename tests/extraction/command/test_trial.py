from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main

SMALL = ["corpus", "trial", "--count", "2", "--tokens", "6000", "--family", "report"]


def test_a_trial_prints_every_pipeline_with_intervals_and_writes_what_it_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "trial.md"
    assert main([*SMALL, "--budget-calls", "10", "--row", "l4", "--output", str(report)]) == 0
    printed = capsys.readouterr().out
    for name in ("unlimited", "capped", "ours, 10 calls", "l4, batched (min)", "points over capped"):
        assert name in printed
        assert name in report.read_text(encoding="utf-8")
    assert [each.name for each in tmp_path.iterdir()] == ["trial.md"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--count", "0"], "--count is 0"),
        (["--budget-calls", "0"], "--budget-calls is 0"),
        (["--row", "cpu"], "--row cpu is no GPU row"),
        (["--row", "moon"], "--row moon is no GPU row"),
        (["--output", "no/such/trial.md"], "there is no such folder"),
        (["--matrix", "no.toml", "--row", "l4"], "no.toml"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_4(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, *options]) == 4
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
