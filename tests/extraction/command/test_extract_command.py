"""`harness corpus generate` and `harness extract`, from nothing to tables and a review page."""

import csv
import json
import shutil

import pytest
from extract_runs import extract, killed_runs, tables

from harness.cli import main

PERFECT = ["--reader", "perfect"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two small companies with their truth."""
    folder = tmp_path_factory.mktemp("corpus") / "companies"
    words = ["corpus", "generate", str(folder), "--count", "2", "--tokens", "9000", "--facilities", "2"]
    assert main(words) == 0
    return folder


@pytest.fixture
def run(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def command(*words, where=root):
        code = main(["extract", str(where), "--output", "out", "--no-cache", *words])
        return code, *capsys.readouterr()

    return command


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_everything_is_found_with_its_evidence(run, root, tmp_path):
    code, out, err = run(*PERFECT)
    assert (code, err) == (0, "")
    found = rows(tmp_path / "out/facilities.csv")
    assert len(found) == 4
    evidence = [row for row in rows(tmp_path / "out/evidence.csv") if row["status"] == "FOUND"]
    assert len(evidence) > 100
    for row in evidence:
        text = (root / row["company"] / row["file"]).read_text()
        assert text[int(row["start"]) : int(row["end"])].strip()
    pages = list((tmp_path / "out/review").glob("*.html"))
    assert len(pages) == 2
    assert "<mark" in pages[0].read_text()
    assert "truth.json" not in out


@pytest.mark.parametrize("preset", ["ours", "capped", "one_hour"])
def test_a_plan_asks_nothing(run, tmp_path, preset):
    code, out, _ = run("--plan-only", "--pipeline", preset, *PERFECT)
    assert code == 0
    assert out.count(" calls") >= 2
    assert "min (modelled)" in out
    assert not (tmp_path / "out").exists()


def test_documented_switches(run, tmp_path):
    code, _, _ = run(
        "--pipeline", "capped", "--section-passes", "0", "--deep-fields", "3", "--skip-verification",
        "--groups", "8", *PERFECT,
    )  # fmt: skip
    assert code == 0
    (first, *_) = json.loads((tmp_path / "out/result.json").read_text())["companies"]
    stages = {cost["stage"]: cost["calls"] for cost in first["costs"]}
    assert "verification" not in stages
    assert stages.get("section", 0) == 0
    assert stages["retrieval"] == 8 * len(first["facilities"])


def test_one_company_alone_is_as_it_is_beside_others(run, root, tmp_path):
    run(*PERFECT)
    both = rows(tmp_path / "out/facilities.csv")
    shutil.rmtree(tmp_path / "out")
    name = both[-1]["company"]
    run("--company", name, *PERFECT)
    assert rows(tmp_path / "out/facilities.csv") == [row for row in both if row["company"] == name]


def test_a_run_is_not_begun_over_another(run, tmp_path):
    run(*PERFECT)
    before = tables(tmp_path / "out")
    code, _, err = run(*PERFECT)
    assert code == 4
    assert "a run is there already" in err
    code, out, _ = run("--resume", *PERFECT)
    assert code == 0
    assert "0 calls asked now" in out
    assert tables(tmp_path / "out") == before
    code, _, err = run("--resume", "--budget-calls", "3", *PERFECT)
    assert code == 4
    assert "setting budget_calls was '60', is '3'" in err


def test_killed_and_resumed_it_asks_for_nothing_twice(root, tmp_path):
    seen = killed_runs(root, tmp_path, 3, *PERFECT)
    assert (seen.lost, seen.same_result) == (0, True)
    assert seen.paid == seen.whole > 0


def test_hash_seeds_workers_and_the_order_of_companies_change_no_byte(root, tmp_path):
    permuted = tmp_path / "permuted"
    permuted.mkdir()
    for folder in sorted(root.iterdir(), reverse=True):
        shutil.copytree(folder, permuted / folder.name)
    runs = [(root, 0, 1), (root, 1, 2), (permuted, 2, 8), (permuted, 3, 1)]
    found = []
    for number, (where, hash_seed, workers) in enumerate(runs):
        output = tmp_path / str(number)
        process = extract(where, output, "--workers", str(workers), *PERFECT, hash_seed=hash_seed)
        assert process.wait() == 0
        found.append(tables(output))
    assert all(each == found[0] for each in found)


def test_a_golden_table_gives_a_quality_report(run, root, tmp_path):
    run(*PERFECT)
    golden = tmp_path / "golden.csv"
    shutil.copy(tmp_path / "out/facilities.csv", golden)
    code, out, _ = run("--stage", "report", "--golden", str(golden))
    assert code == 0
    assert out.strip()
    code, _, err = run("--stage", "report")
    assert code == 4
    assert "--golden" in err


def test_files_that_cannot_be_read_are_listed_and_the_others_are_read(run, root, tmp_path):
    mixed = tmp_path / "mixed"
    shutil.copytree(root, mixed)
    company = next(iter(sorted(mixed.iterdir())))
    (company / "broken.pdf").write_bytes(b"%PDF-1.7 no more")
    (company / "broken.docx").write_bytes(b"PK no more")
    (mixed / "empty").mkdir()
    code, out, _ = run(*PERFECT, where=mixed)
    assert code == 20
    assert "broken.pdf: not read" in out
    assert "broken.docx: not read" in out
    assert "empty/.: skipped; the folder is empty" in out
    assert len(rows(tmp_path / "out/facilities.csv")) == 4


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--company", "nobody", *PERFECT], "there is no company 'nobody'"),
        (["--workers", "0", *PERFECT], "--workers is 0"),
        (["--section-passes", "1", *PERFECT], "--section-passes is of the documented pipeline"),
        (["--pipeline", "quality", *PERFECT], "an embedding retriever needs a model"),
        (["--reader", "nobody"], "no model 'nobody'"),
        (["--reader", "replay"], "nothing is named to replay"),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, words, says):
    code, _, err = run(*words)
    assert code == 4
    assert says in err
    assert err.count("\n") == 1


def test_folders_that_hold_nothing(run, tmp_path):
    (tmp_path / "none").mkdir()
    code, _, err = run(*PERFECT, where=tmp_path / "none")
    assert code == 4
    assert "holds no company's folder" in err
    (tmp_path / "none/company").mkdir()
    code, _, err = run(*PERFECT, where=tmp_path / "none")
    assert code == 4
    assert "nothing could be read" in err
    code, _, err = run(*PERFECT, where=tmp_path / "gone")
    assert code == 4


def test_a_corpus_is_not_written_over_anything(root, capsys):
    assert main(["corpus", "generate", str(root)]) == 4
    assert "the folder is not empty" in capsys.readouterr().err
    assert main(["corpus", "generate", str(root / "new"), "--count", "0"]) == 4
