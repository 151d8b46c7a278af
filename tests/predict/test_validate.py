"""`harness predict validate`: a user's file of measured steps against the cost model."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAD = "model,dtype,gpu,gpus,phase,batch_tokens,milliseconds_per_layer\n"
LINES = ("llama-2-70b,fp16,a100,1,decode,2,1.4\n", "llama-2-70b,fp16,l4,1,prefill,512,40\n")


@pytest.fixture
def measured(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text(HEAD + "".join(LINES))
    return file


def test_json_has_the_documented_keys_as_fractions(predict, measured):
    code, found, _ = predict("validate", measured, "--json")
    assert code == 0
    assert found["rows"] == 2
    for key in ("median_absolute_percentage_error", "p90_absolute_percentage_error"):
        assert 0.0 < found[key] < 10.0
        assert found["per_gpu"]["a100"][key] == found["per_gpu"]["a100"]["per_phase"]["decode"][key]
        assert found["per_phase"]["prefill"][key] == found["per_gpu"]["l4"][key]
    assert found["provenance"]["measured"] == str(measured)


def test_the_error_is_that_of_the_modelled_step(predict, measured):
    once = predict("validate", measured, "--json")[1]["per_gpu"]["a100"]["median_absolute_percentage_error"]
    measured.write_text(HEAD + LINES[0].replace("1.4", "14"))
    tenfold = predict("validate", measured, "--json")[1]["median_absolute_percentage_error"]
    # modelled = 1.4 x (1 +- once), against 14
    assert tenfold == pytest.approx(1 - 0.1 * (1 + once)) or tenfold == pytest.approx(1 - 0.1 * (1 - once))


def test_people_get_a_table(predict, measured):
    code, text, _ = predict("validate", measured)
    assert code == 0
    assert [line.split()[:3] for line in text.splitlines()[3:5]] == [
        ["a100", "decode", "1"],
        ["l4", "prefill", "1"],
    ]
    assert text.splitlines()[5].startswith("all")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "mine.csv"),
        ("a,b\n1,2\n", "has no column"),
        (HEAD, "mine.csv"),
        (HEAD + LINES[0].replace("1.4", "fast"), "milliseconds_per_layer"),
        (HEAD + LINES[0].replace("a100", "a1000"), "a1000"),
        (HEAD + LINES[0].replace("llama-2-70b", "llama-70"), "llama-70"),
    ],
)
def test_a_bad_file_is_one_line_and_exit_4(predict, measured, content, said):
    measured.write_text(content)
    code, out, err = predict("validate", measured)
    assert (code, out) == (4, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_neither_validating_nor_predicting_imports_scipy(measured):
    """It takes half a second."""
    blocked = "import sys; sys.modules['scipy'] = None; from harness.cli import main; "
    for words in (["validate", str(measured)], ["serving", "qwen3-4b", "--row", "l4", "--requests", "8"]):
        code = f"{blocked}sys.exit(main({['predict', *words]!r}))"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
