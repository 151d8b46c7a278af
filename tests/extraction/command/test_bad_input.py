"""What goes wrong outside: folders, files, disks, golden tables. One line each, and nothing half-written."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from harness.cli import main
from harness.extraction.command import outputs

KNOWING = ["--reader", "perfect", "--no-cache"]
PERFECT = [*KNOWING, "--budget-calls", "4"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "companies"
    words = ["corpus", "generate", str(folder), "--count", "2", "--tokens", "9000", "--facilities", "1"]
    assert main(words) == 0
    return folder


@pytest.fixture
def extract(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()

    def command(*words, where=root, output="out"):
        code = main(["extract", str(where), "--output", output, *words])
        out, err = capsys.readouterr()
        assert err.count("\n") == (code not in (0, 20))
        return code, out, err

    return command


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def test_a_folder_that_holds_only_its_truth(root, extract, tmp_path):
    (tmp_path / "bare/one").mkdir(parents=True)
    shutil.copy(next(root.iterdir()) / "truth.json", tmp_path / "bare/one")
    code, _, err = extract(*PERFECT, where=tmp_path / "bare")
    assert code == 4
    assert "nothing could be read" in err
    assert "put documents" in err


def test_a_company_that_cannot_be_read_is_listed_beside_the_others(root, extract, tmp_path):
    mixed = tmp_path / "mixed"
    shutil.copytree(root, mixed)
    (mixed / "gone").mkdir()
    (mixed / "gone/a.docx").write_bytes(b"no archive")
    code, out, _ = extract(*PERFECT, where=mixed)
    assert code == 20
    assert "gone/a.docx: not read; is no DOCX file" in out
    assert len(list((tmp_path / "out/review").iterdir())) == 2


def test_what_cannot_be_read_is_listed_where_nothing_can(extract, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "none" / name).mkdir(parents=True)
        (tmp_path / "none" / name / "x.pdf").write_bytes(b"%PDF")
    code, out, err = extract(*PERFECT, where=tmp_path / "none")
    assert code == 4
    assert out.count("x.pdf: not read") == 2
    assert "nothing could be read" in err


def test_a_truth_of_other_documents_matters_only_to_readers_that_need_it(root, extract, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(root, other)
    file = sorted(next(iter(sorted(other.iterdir()))).glob("*.txt"))[-1]
    file.write_text("changed\n")
    code, _, err = extract(*PERFECT, where=other)
    assert code == 4
    assert "not the text that the truth was written for" in err
    code, out, _ = extract("--stage", "preprocess", where=other)
    assert code == 0
    assert "truth.json: left out" in out


@pytest.mark.parametrize("output", ["file", "file/below"])
def test_an_output_that_is_a_file(extract, tmp_path, output):
    (tmp_path / "file").write_text("mine\n")
    code, out, err = extract(*PERFECT, output=output)
    assert (code, out) == (4, "")
    assert err == "harness: file: is no folder; give another --output\n"
    assert (tmp_path / "file").read_text() == "mine\n"


def test_the_golden_table_is_looked_at_before_anything_is_asked(extract, tmp_path):
    (tmp_path / "golden.csv").write_text("company,facility,spread\nA,B,much\n")
    code, out, err = extract(*PERFECT, "--golden", "golden.csv")
    assert (code, out) == (4, "")
    assert "golden.csv, line 2, column spread" in err
    (tmp_path / "golden.csv").write_text("company,facility,spread\n")
    assert "there is no row" in extract(*PERFECT, "--golden", "golden.csv")[2]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
@pytest.mark.parametrize("which", [1, 3])
def test_results_are_written_together_or_not_at_all(extract, tmp_path, monkeypatch, number, which):
    asked = []
    write = Path.write_bytes

    def full(path, content):
        if path.name.endswith(".partial"):
            asked.append(path)
            if len(asked) == which:
                write(path, content[: len(content) // 2])
                raise OSError(number, os.strerror(number), str(path))
        return write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(outputs.Path, "write_bytes", full)
        code, _, err = extract(*PERFECT)
    assert code == (21 if number == errno.ENOSPC else 4)
    assert "cannot be written" in err
    assert "--resume" in err
    assert [name for name in names("out") if not name.startswith("readers")] == ["journal.jsonl"]
    code, out, _ = extract(*PERFECT, "--resume")
    assert code == 0
    assert "0 calls asked now" in out
    assert "facilities.csv" in names("out")


def test_a_folder_in_the_place_of_a_table(extract, tmp_path):
    (tmp_path / "out/result.json").mkdir(parents=True)
    code, _, err = extract(*PERFECT)
    assert code == 4
    assert "out/result.json: the results cannot be written: Is a directory" in err
    assert "facilities.csv" not in names("out")


def test_a_run_that_is_another_one_names_what_differs(root, extract, tmp_path):
    extract(*PERFECT)
    one = sorted(path.name for path in root.iterdir())[0]
    for words, says in [
        (["--budget-calls", "5", *KNOWING], "setting budget_calls was '4', is '5'; give"),
        (["--company", one, *PERFECT], "report-1-002 was"),
        (
            ["--budget-calls", "4", "--reader", "noisy", "--no-cache"],
            "model was 'perfect', is 'noisy'",
        ),
        (["--format", "verbose", *PERFECT], "format was 'sparse', is 'verbose'"),
    ]:
        code, _, err = extract("--resume", *words)
        assert code == 4
        assert says.split(";")[0] in err
        assert "another --output to start anew" in err


def test_a_journal_that_was_cut_or_spoilt(extract, tmp_path):
    extract(*PERFECT)
    journal, result = tmp_path / "out/journal.jsonl", tmp_path / "out/result.json"
    before, lines = result.read_bytes(), journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:5])[:-20])
    code, out, _ = extract(*PERFECT, "--resume")
    assert code == 0
    assert "0 calls asked now" not in out
    assert result.read_bytes() == before
    journal.write_bytes(b"".join([*lines[:3], b"spoilt\n", *lines[4:]]))
    code, _, err = extract(*PERFECT, "--resume")
    assert code == 4
    assert "line 4 is corrupt" in err
    assert result.read_bytes() == before


def test_companies_of_long_and_of_like_names_have_pages_of_their_own(root, extract, tmp_path):
    source, odd = next(iter(sorted(root.iterdir()))), tmp_path / "odd"
    for name in ("x" * 250, "A b", "a_b", "<script>", "&?"):
        shutil.copytree(source, odd / name)
    code, _, _ = extract(*PERFECT, where=odd)
    assert code == 0
    pages = [path.name for path in (tmp_path / "out/review").iterdir()]
    assert len({page.casefold() for page in pages}) == 5
    assert max(map(len, pages)) < 200
    assert all("<script>" not in (tmp_path / "out/review" / page).read_text() for page in pages)
    companies = json.loads((tmp_path / "out/result.json").read_text())["companies"]
    assert {each["company"] for each in companies} == {path.name for path in odd.iterdir()}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--pipeline", "capped", "--budget-calls", "0"], "--budget-calls is of our pipeline"),
        (["--section-passes", "0"], "--section-passes is of the documented pipeline"),
        (["--skip-verification"], "--skip-verification is of the documented pipeline"),
        (["--embedder", "fields"], "--embedder is of the documented pipeline"),
        (["--window-tokens", "0"], "window_tokens is 0"),
        (["--pipeline", "capped", "--deep-fields", "-2"], "deep_fields is -2"),
    ],
)
def test_options_are_refused_before_anything_is_read(extract, words, says):
    code, out, err = extract(*words, *KNOWING, where="nowhere")
    assert (code, out) == (4, "")
    assert says in err


def test_flash_attention_says_what_came_of_it(extract):
    words = ["--pipeline", "bm25_only", "--flash-attention"]
    code, out, _ = extract(*words, *KNOWING)
    assert code == 0
    assert "flash attention: truth, perfect has no such switch" in out
