"""`harness predict validate`: a user's file of measured steps against the cost model."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.costmodel.constants import load_constants
from harness.costmodel.validation import validate
from harness.hardware import load_matrix

ROOT = Path(__file__).resolve().parents[2]
MATRIX = load_matrix(ROOT / "hardware_matrix.toml")
LAYER = """model,dtype,gpu,gpus,phase,batch_tokens,milliseconds_per_layer
llama-2-70b,fp16,l4,1,decode,2,6.9
llama-2-70b,fp16,l4,1,prefill,1000,60
llama-2-70b,fp16,a100-40gb,1,decode,16,1.6
llama-2-70b,fp16,a100-40gb,1,decode,16,1.8
"""
REQUEST = (
    "model,gpu,tensor_parallel,prompt_tokens,batch_size,output_tokens,"
    "prefill_ms,decode_ms_per_token,end_to_end_ms\n"
    "llama-2-70b,h100-80gb,4,512,1,128,90,30,3900\n"
    "llama-2-70b,h100-80gb,4,512,64,128,900,60,90000\n"
)


@pytest.fixture
def layer_times(tmp_path):
    path = tmp_path / "layer.csv"
    path.write_text(LAYER)
    return path


def test_json_is_the_librarys_document(predict, layer_times):
    code, found, err = predict("validate", layer_times, "--json")
    assert (code, err) == (0, "")
    expected = validate(layer_times, MATRIX.rows)
    assert found == json.loads(json.dumps(expected.document()))
    assert found["rows"] == 4
    assert found["median_absolute_percentage_error"] == expected.overall.median
    assert found["p90_absolute_percentage_error"] == expected.overall.p90
    assert set(found["per_gpu"]) == {"l4", "a100-40gb"}
    assert set(found["per_gpu"]["l4"]["per_phase"]) == set(found["per_phase"]) == {"prefill", "decode"}
    for part in (found["per_gpu"]["l4"]["per_phase"]["decode"], found["per_phase"]["decode"]):
        assert {"median_absolute_percentage_error", "p90_absolute_percentage_error", "rows"} <= set(part)


def test_the_table_has_a_line_for_each_gpu_and_phase(predict, layer_times):
    code, text, _ = predict("validate", layer_times)
    assert code == 0
    lines = [line.split() for line in text.splitlines()]
    assert [line[:4] for line in lines[3:6]] == [
        ["a100-40gb", "decode", "2", "1"],
        ["l4", "decode", "1", "1"],
        ["l4", "prefill", "1", "1"],
    ]
    overall = validate(layer_times, MATRIX.rows).overall
    assert lines[8][:3] == ["all", "4", "3"]
    assert lines[8][3] == f"{overall.median * 100:.1f}"
    assert load_constants().version in text
    assert "nan" not in text.lower()


def test_lines_that_are_left_out_are_told(predict, tmp_path):
    path = tmp_path / "requests.csv"
    path.write_text(REQUEST)
    code, text, _ = predict("validate", path)
    assert code == 0
    assert "line 3: left out: end to end takes much longer" in text
    last = REQUEST.splitlines()[-1]
    path.write_text(REQUEST + f"{last}\n" * 30)
    assert "and 21 more lines left out" in predict("validate", path)[1]


def test_csv_has_a_line_for_each_configuration(predict, layer_times, tmp_path):
    out = tmp_path / "errors.csv"
    assert predict("validate", layer_times, "--csv", out)[0] == 0
    with out.open(newline="") as file:
        lines = list(csv.DictReader(file))
    frame = validate(layer_times, MATRIX.rows).frame
    assert [float(line["error"]) for line in lines] == frame["error"].tolist()
    assert [line["lines"] for line in lines] == ["2", "3", "4 5"]
    code, _, err = predict("validate", layer_times, "--csv", tmp_path / "no" / "errors.csv")
    assert (code, "cannot be written" in err) == (4, True)


def test_other_constants_are_used_and_named(predict, layer_times, tmp_path):
    shipped = json.loads((ROOT / "harness/costmodel/constants.json").read_text())
    shipped["families"]["Ampere HBM"]["bandwidth"] = 0.4
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps(shipped))
    _, found, _ = predict("validate", layer_times, "--constants", mine, "--json")
    _, before, _ = predict("validate", layer_times, "--json")
    assert found["constants"] != before["constants"]
    key = "median_absolute_percentage_error"
    assert found["per_gpu"]["a100-40gb"][key] > before["per_gpu"]["a100-40gb"][key]


def test_it_works_in_a_folder_without_a_matrix_and_with_another_matrix(
    predict, layer_times, tmp_path, monkeypatch
):
    _, expected, _ = predict("validate", layer_times, "--json")
    monkeypatch.chdir(tmp_path)
    code, found, _ = predict("validate", layer_times, "--json")
    assert (code, found["per_gpu"]) == (0, expected["per_gpu"])
    other = tmp_path / "other.toml"
    other.write_text((ROOT / "hardware_matrix.toml").read_text().replace("= 300.0\n", "= 200.0\n"))
    code, found, _ = predict("validate", layer_times, "--json", "--matrix", other)
    assert code == 0
    assert found["per_gpu"]["l4"] != expected["per_gpu"]["l4"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("model,gpu\na,b\n", "has no column"),
        (LAYER.replace("l4,", "l5,"), "there is no GPU 'l5'"),
        (LAYER.replace("6.9", "fast"), "line 2, column milliseconds_per_layer: is 'fast'"),
        (LAYER.splitlines()[0], "holds no measured step"),
        (LAYER.replace("llama-2-70b", "lama-zwei"), "there is no model"),
    ],
)
def test_a_bad_file_is_one_line_and_exit_4(predict, tmp_path, content, said):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    code, out, err = predict("validate", path)
    assert (code, out) == (4, "")
    assert said in err
    assert str(path) in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("words", [("no.csv",), (".",), (), ("x.csv", "--constants", "no.json")])
def test_a_path_that_cannot_be_read_is_exit_4(predict, words):
    code, out, err = predict("validate", *words)
    assert (code, out) == (4, "")
    assert len(err.strip().splitlines()) == 1


def test_neither_command_needs_scipy(layer_times):
    program = (
        "import sys\n"
        "sys.modules['scipy'] = None\n"
        "from harness.cli import main\n"
        "codes = [main(['predict', 'validate', sys.argv[1], '--json']),\n"
        "         main(['predict', 'serving', 'qwen3-4b', '--row', 'l4', '--requests', '4'])]\n"
        "loaded = [name for name in ('torch', 'transformers', 'llama_cpp') if name in sys.modules]\n"
        "sys.exit(repr((codes, loaded)) if codes != [0, 0] or loaded else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(layer_times)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
