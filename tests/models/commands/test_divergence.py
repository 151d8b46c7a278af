"""`harness models divergence`: its table, its CSV, and what it refuses before anything is measured."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.cli import main
from harness.engines.protocol import EngineFailure
from harness.models.commands.divergence import mixed_prompts
from harness.models.heldout.prompts import heldout
from harness.models.precisions.engines import PRECISIONS
from harness.models.precisions.table import COLUMNS

Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The rows and files of all tests of this file, so that each precision is measured once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(folder))
        patch.setattr("harness.models.precisions.probe.ANSWER_TOKENS", 4)
        yield folder


def divergence(model: Path, *words: object) -> int:
    return main(
        ["models", "divergence", "entities", "--model", str(model), "--prompts", "2", *map(str, words)]
    )


def never(*_: object, **__: object) -> None:
    raise AssertionError("measured")


@pytest.fixture
def nothing_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.models.precisions.evaluate.evaluate_precisions", never)


def test_a_precision_that_fails_is_named_and_the_others_are_printed(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    from harness.models.gguf import quantize

    def failing(source: Path, out: Path, to: str) -> None:
        raise EngineFailure(f"{to}: the quantization was killed by SIGKILL")

    monkeypatch.setattr(quantize, "run_llama_quantize", failing)
    out = tmp_path / "table.csv"
    assert divergence(tiny_model, "--precisions", "Q2_K, BF16", "--csv", out) == 20
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "bf16 (transformers), the reference",
        "Q2_K (llama.cpp)",
        "Q2_K: Q2_K: the quantization was killed by SIGKILL",
        "BF16 (llama.cpp)",
    ]
    # norms and biases are float32 in GGUF: BF16 has more bits than the reference
    lines = said.out.splitlines()
    assert lines[0].startswith("entities: divergence against bf16 (transformers)")
    assert [line.split()[0] for line in lines[2:5]] == ["precision", "BF16", "bf16"]
    assert "Q2_K: not run: Q2_K: the quantization was killed by SIGKILL" in lines

    with out.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert tuple(head) == COLUMNS
    found = {row[1]: dict(zip(head, row, strict=True)) for row in rows}
    assert list(found) == ["BF16", "bf16", "Q2_K"]
    assert (found["bf16"]["reference"], found["bf16"]["n"], found["bf16"]["kl_mean"]) == ("True", "2", "")
    assert 0 < float(found["BF16"]["kl_mean"]) < 1e-3
    assert found["BF16"]["provenance"] == "measured"
    assert found["Q2_K"]["error"] == "Q2_K: the quantization was killed by SIGKILL"
    assert (found["Q2_K"]["provenance"], found["Q2_K"]["score"]) == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_markdown(tiny_model: Path, capsys: Output) -> None:
    assert divergence(tiny_model, "--precisions", "BF16", "--markdown") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("**entities: divergence against bf16")
    assert [line.split()[1] for line in lines if line.startswith("| ")] == ["precision", "BF16", "bf16"]


def test_the_reference_alone_is_a_table(tiny_model: Path, capsys: Output) -> None:
    assert divergence(tiny_model, "--precisions", "bf16,bf16") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:4]] == ["precision", "bf16"]


def test_without_precisions_all_are_measured(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def recorded(*given: object, **_: object) -> list[object]:
        asked.extend(precision.name for precision in given[3])  # type: ignore[attr-defined]
        return []

    monkeypatch.setattr("harness.models.precisions.evaluate.evaluate_precisions", recorded)
    assert divergence(tiny_model) == 0
    assert asked == [precision.name for precision in PRECISIONS]


@pytest.mark.usefixtures("nothing_measured")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--precisions", "Q8_0,Q7_K"], "--precisions: no precision 'Q7_K' (allowed: bf16, BF16, Q8_0, "),
        (["--prompts", "1"], "--prompts 1 (allowed: 2 and above)"),
        (["--prompts", "-2"], "--prompts -2 (allowed: 2 and above)"),
        (["--model", "nobody"], "no model 'nobody'"),
    ],
)
def test_mistakes_are_said_before_anything_is_measured(
    tiny_model: Path, capsys: Output, words: list[str], said: str
) -> None:
    assert divergence(tiny_model, *words) == 4
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("nothing_measured")
@pytest.mark.parametrize("place", ["nowhere/table.csv", "file/table.csv", "folder"])
def test_a_csv_that_cannot_be_written_is_said_before_anything_is_measured(
    tiny_model: Path, tmp_path: Path, capsys: Output, place: str
) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder").mkdir()
    assert divergence(tiny_model, "--csv", tmp_path / place) == 4
    assert f"--csv {tmp_path}" in capsys.readouterr().err


@pytest.mark.usefixtures("nothing_measured")
def test_an_unknown_task_is_refused_with_those_there_are(capsys: Output) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["models", "divergence", "poems"])
    assert caught.value.code == 4
    err = capsys.readouterr().err
    assert all(task in err for task in ("poems", "answers", "entities", "fields"))


def test_a_reference_that_does_not_run_is_infrastructure(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    @contextmanager
    def broken(*_: object) -> Iterator[None]:
        raise EngineFailure("out of memory")
        yield

    monkeypatch.setattr("harness.models.precisions.engines.opener", lambda task: broken)
    # other prompts than those whose rows are kept
    assert divergence(tiny_model, "--prompts", "3") == 21
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == "harness: out of memory"
    assert said.out == ""


@pytest.mark.parametrize("count", [2, 7])
def test_half_of_the_prompts_have_held_out_wordings_too(count: int) -> None:
    names, templates = heldout("entities", "names", count, 23), heldout("entities", "templates", count, 23)
    mixed = mixed_prompts("entities", count)
    assert len(mixed) == count
    assert sum(prompt in names for prompt in mixed) == count - count // 2
    assert sum(prompt in templates for prompt in mixed) == count // 2
