"""`harness detect` on the committed sample, end to end, and on files that are none."""

import json

import pytest

from harness.cli import main
from harness.detection.data.ragtruth import RESPONSES, SOURCES, write_ragtruth
from harness.detection.data.synthetic import planted
from harness.models.embedded import project_root

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
    ],
)
def test_bad_input_is_one_line(run, tmp_path, words, says):
    code, out, err = run(*words)
    assert (code, out) == (4, "")
    assert says in err
    assert not (tmp_path / "out").exists()
