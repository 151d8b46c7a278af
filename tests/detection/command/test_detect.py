"""`harness detect` on the committed sample, end to end, and on files that are none."""

import json

import pytest

from harness.cli import main
from harness.detection.capture import fast
from harness.detection.data.ragtruth import RESPONSES, SOURCES, write_ragtruth
from harness.detection.data.synthetic import planted
from harness.models.embedded import model_folder, project_root

pytest.importorskip("transformers")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(project_root())

    def command(*words):
        code = main(["detect", "--output", str(tmp_path / "out"), *words])
        return code, *capsys.readouterr()

    return command


def test_the_embedded_models_hallucinations_are_found(run, tmp_path):
    code, out, _ = run()
    assert code == 0
    assert out.startswith("AUC 0.9")
    found = json.loads((tmp_path / "out/result.json").read_text())
    assert found["detector"]["within"] >= 0.75
    assert found["detector"]["auc"]["low"] > 0.5
    controls = {each["name"]: each for each in found["controls"]}
    # the sample's confounds are taken out
    assert controls["task prior"]["auc"]["auc"] == controls["response length"]["auc"]["auc"] == 0.5
    assert len(found["responses"]) == 240
    html = (tmp_path / "out/report.html").read_text()
    assert html.count("<mark") >= 12
    assert "Detector dashboard" in html


def test_ragtruths_files_and_the_official_scores(run, tmp_path):
    made = planted(3, "confounded", 12)
    write_ragtruth(tmp_path, made.responses, made.infos, "generated")
    files = ["--responses", str(tmp_path / RESPONSES), "--sources", str(tmp_path / SOURCES)]
    code, out, _ = run(*files, "--scoring", "official", "--level", "chunk", "--folds", "3", "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["facts"]["scores"], found["facts"]["unit"]) == ("official", "chunk")
    assert len(found["responses"]) == 36


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--responses", "a.jsonl"], "one file is missing"),
        (["--responses", "a.jsonl", "--sources", "b.jsonl"], "b.jsonl: cannot be read"),
        (["--of-model", "nobody"], "no response is left (allowed: answers)"),
        (["--heads", "0", "--layers", "0"], "at least one head or layer"),
        (["--model", "none"], "no model 'none'"),
        (["--folds", "999"], "999 folds need as many sources"),
        (["--folds", "1"], "--folds: 1 folds (allowed: 2 or more"),
        (["--seed", "-1"], "--seed: the seed -1 (allowed: 0 to"),
        (["--alpha", "nan"], "--alpha and --m: alpha and m from 0 to"),
        (["--alpha", "0", "--m", "0"], "not both 0"),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, words, says):
    code, out, err = run(*words)
    assert (code, out) == (4, "")
    assert says in err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def files(tmp_path):
    """Few responses, and what writes changed ones: (changed, extra) to the options that name the files."""
    made = planted(3, "balanced", 4)
    write_ragtruth(tmp_path / "data", made.responses, made.infos, "generated")
    lines = [json.loads(line) for line in (tmp_path / "data" / RESPONSES).read_text().splitlines()]

    def write(change=lambda line: line, *extra):
        changed = [found for line in lines if (found := change(line))] + [
            {**lines[0], **each} for each in extra
        ]
        text = "".join(json.dumps(line) + "\n" for line in changed)
        (tmp_path / "data" / RESPONSES).write_text(text)
        return [
            "--responses",
            str(tmp_path / "data" / RESPONSES),
            "--sources",
            str(tmp_path / "data" / SOURCES),
        ]

    return write


@pytest.mark.parametrize("kind", [True, False], ids=["hallucinated", "faithful"])
def test_one_class_alone_is_refused_before_anything_is_scored(run, files, tmp_path, kind):
    given = files(lambda line: line if bool(line["labels"]) == kind else None)
    code, _, err = run(*given, "--folds", "2")
    assert code == 4
    assert f"all 6 responses are {'hallucinated' if kind else 'faithful'}" in err
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_scored_is_left_out_and_listed(run, files, tmp_path):
    hostile = "<script>alert(1)</script>"
    extra = [
        {"id": hostile, "response": "", "labels": []},
        {"id": "long", "response": "word " * 1500, "labels": []},
    ]
    code, out, _ = run(*files(lambda line: line, *extra), "--folds", "2", "--tune")
    assert code == 20
    assert "not scored: 1 response is without a token" in out
    assert (
        "not scored: 1 response is longer than the 2,048 tokens that the model reads at once: 'long'" in out
    )
    found = json.loads((tmp_path / "out/result.json").read_text())
    assert (len(found["responses"]), len(found["notes"])) == (12, 2)
    html = (tmp_path / "out/report.html").read_text()
    assert "not scored" in html
    assert hostile not in html


def test_nothing_left_to_score_is_said(run, files):
    code, _, err = run(*files(lambda line: {**line, "response": "", "labels": []}))
    assert (code, "no response can be scored: 12 responses are without a token" in err) == (4, True)


@pytest.mark.parametrize("where", ["file", "file/below", "/proc/none"])
def test_an_output_that_cannot_be_written_is_refused_before_anything_is_scored(
    run, files, tmp_path, monkeypatch, where
):
    (tmp_path / "file").write_text("kept")
    monkeypatch.setattr(fast, "forward", lambda *_: pytest.fail("it was scored"))
    code, _, err = run(*files(), "--folds", "2", "--output", str(tmp_path / where))
    assert (code, "the report cannot be written" in err) == (4, True)
    assert (tmp_path / "file").read_text() == "kept"


def test_a_response_cannot_write_html_or_markdown(run, files, tmp_path):
    hostile = "<script>alert(1)</script>\n# heading\n```\n| a | b |\u202e\x00"

    def change(line):
        return {**line, "response": hostile, "labels": []} if not line["labels"] else line

    code, out, _ = run(*files(change), "--folds", "2")
    assert code == 0
    html, markdown = ((tmp_path / f"out/report.{kind}").read_text() for kind in ("html", "md"))
    assert "<script>" not in html
    assert "\n# heading" not in markdown
    assert "\u202e" not in html + markdown + out


def test_more_heads_than_there_are_means_all_and_is_said(run, files, tmp_path):
    assert run(*files(), "--folds", "2", "--heads", "999", "--layers", "999")[0] == 0
    facts = json.loads((tmp_path / "out/result.json").read_text())["facts"]
    assert facts["detector"].startswith("Weights(heads=20, layers=5")


def test_the_same_run_gives_the_same_bytes(run, files, tmp_path):
    given = files()
    results = []
    for _ in range(2):
        assert run(*given, "--folds", "2")[0] == 0
        results.append((tmp_path / "out/result.json").read_bytes())
    assert results[0] == results[1]


def test_a_folder_without_a_tokenizer(run, files, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for path in model_folder("answers").iterdir():
        if "token" not in path.name:
            (folder / path.name).symlink_to(path.resolve())
    code, _, err = run(*files(), "--model", str(folder))
    assert (code, "it has no tokenizer" in err) == (4, True)
    (folder / "tokenizer.json").write_text("{broken")
    code, _, err = run(*files(), "--model", str(folder))
    assert (code, "its tokenizer cannot be loaded" in err) == (4, True)
