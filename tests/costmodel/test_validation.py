"""Reading measured tables in both layouts, their mistakes, and the errors that are reported."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.constants import load_constants
from harness.costmodel.measured import PROMPT_TOKENS, half_of_last_digit, read_measured, several_prompts
from harness.costmodel.validation import predicted_seconds, validate
from harness.errors import HarnessError
from harness.hardware import load_matrix

ROOT = Path(__file__).resolve().parents[2]
ROWS = load_matrix(ROOT / "hardware_matrix.toml").rows
MEASURED = ROOT.parent / "shared" / "data" / "measured"
needs_data = pytest.mark.skipif(
    not (MEASURED / "layer_times.csv").is_file(),
    reason="the measured step times do not lie beside the checkout (../shared/data/measured)",
)
LAYER = "model,dtype,gpu,gpus,phase,batch_tokens,milliseconds_per_layer"
REQUEST = (
    "model,gpu,tensor_parallel,prompt_tokens,batch_size,output_tokens,"
    "prefill_ms,decode_ms_per_token,end_to_end_ms"
)


def written(tmp_path, *lines):
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_table_by_layer(tmp_path):
    path = written(
        tmp_path, LAYER, "llama-2-7b,bf16,v100,1,decode,8,0.6", "llama-30b,fp16,a100,2,prefill,2500,9"
    )
    decode, prefill = read_measured(path, ROWS).steps
    assert (decode.device.name, decode.phase, decode.position, decode.seconds) == (
        "v100",
        "decode",
        8,
        0.6e-3,
    )
    assert decode.half_s == pytest.approx(0.05e-3)
    assert not decode.context_stated
    assert (prefill.tensor_parallel, prefill.load.tokens, prefill.half_s) == (2, 2500, 0.5e-3)


def test_a_table_by_request(tmp_path):
    path = written(tmp_path, REQUEST, "bloom-176b,h100-80gb,8,512,4,128,120.5,30.25,3960")
    prefill, decode = read_measured(path, ROWS).steps
    assert (prefill.load.prefill_tokens, prefill.load.prefill_sequences) == (2048, 4)
    assert (decode.load.decode_sequences, decode.load.decode_context_tokens) == (4, 4 * 576)
    assert (prefill.seconds, decode.seconds) == (120.5e-3, 30.25e-3)


def test_generation_that_stopped_early_has_less_context(tmp_path):
    path = written(tmp_path, REQUEST, "bloom-176b,h100,8,500,1,8192,100,10,1090")
    _, decode = read_measured(path, ROWS).steps
    assert decode.load.decode_context_tokens == 550


def test_a_batch_in_several_waves_is_left_out_and_named(tmp_path):
    lines = (
        "llama2-70b,a100-80gb,2,512,64,128,800,67,160000",
        "llama2-70b,a100-80gb,2,512,1,128,196,55,7160",
    )
    found = validate(written(tmp_path, REQUEST, *lines), ROWS)
    assert found.rows == 2
    assert list(found.left_out) == [2]
    assert found.document()["left_out"]["2"].startswith("end to end takes much longer")
    assert found.overall.configurations == 2


def test_optional_columns_may_be_missing_and_precision_given(tmp_path):
    header = "model,gpu,tensor_parallel,prompt_tokens,batch_size,prefill_ms,decode_ms_per_token,dtype"
    steps = read_measured(written(tmp_path, header, "qwen3-8b,l40s,1,100,1,9,19,fp8"), ROWS).steps
    assert {one.precision.name for one in steps} == {"fp8"}


def test_errors_are_of_configurations_with_the_median_of_repeats(tmp_path):
    row = "llama-2-7b,fp16,l4,1,decode,4,{}"
    path = written(tmp_path, LAYER, *(row.format(ms) for ms in (1.0, 2.0, 9.0)))
    modelled = predicted_seconds(read_measured(path, ROWS).steps[:1], load_constants())[0]
    document = validate(path, ROWS).document()
    assert document["median_absolute_percentage_error"] == pytest.approx(abs(modelled / 2e-3 - 1))
    assert (document["rows"], document["configurations"]) == (3, 1)


def test_the_json_has_the_errors_of_each_gpu_and_phase(tmp_path):
    lines = [f"llama-2-7b,fp16,{g},1,{p},64,2.0" for g in ("v100", "l4") for p in ("prefill", "decode")]
    found = validate(written(tmp_path, LAYER, *lines), ROWS)
    document = json.loads(json.dumps(found.document()))
    keys = {"median_absolute_percentage_error", "p90_absolute_percentage_error", "rows"}
    assert keys <= set(document)
    assert set(document["per_gpu"]) == {"l4", "v100"}
    for gpu in document["per_gpu"].values():
        assert keys <= set(gpu)
        assert all(keys <= set(phase) for phase in gpu["per_phase"].values())
    assert {name: part["rows"] for name, part in document["per_phase"].items()} == {"decode": 2, "prefill": 2}
    assert document["per_gpu"]["v100"]["basis"] == "fallback"
    assert document["constants"] == load_constants().version
    errors = found.frame["error"].to_numpy()
    assert document["p90_absolute_percentage_error"] == pytest.approx(np.quantile(errors, 0.9))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "mine.csv: is empty"),
        ((LAYER,), "mine.csv: holds no measured step"),
        (("a,b,c", "1,2,3"), "mine.csv, header: has no column .*allowed: model,dtype,gpu"),
        ((LAYER.replace(",gpus", ""), "x"), "mine.csv, header: has no column gpus"),
        ((LAYER + ",gpu", "x"), "has column 'gpu' twice"),
        ((LAYER, "llama-2-7b,fp16,l4,1,decode,4"), "line 2: has 6 cells .allowed: 7"),
        ((LAYER, "llama-2-7b,fp16,l4,1,decode,four,1"), "line 2, column batch_tokens: is 'four'"),
        ((LAYER, "llama-2-7b,fp16,l4,1,decode,4.5,1"), "line 2, column batch_tokens: is '4.5'"),
        ((LAYER, "llama-2-7b,fp16,l4,1,decode,4,-1"), "column milliseconds_per_layer: is '-1'"),
        ((LAYER, "llama-2-7b,fp16,l4,1,decode,4,nan"), "column milliseconds_per_layer: is 'nan'"),
        ((LAYER, "llama-2-7b,fp16,l4,1,encode,4,1"), "column phase: is 'encode' .allowed: prefill, decode"),
        ((LAYER, "", "llama-9,fp16,l4,1,decode,4,1"), "line 3, column model: there is no model 'llama-9'"),
        (
            (LAYER, "llama-2-7b,fp99,l4,1,decode,4,1"),
            "line 2, column dtype: .* weight format 'fp99'",
        ),
        ((LAYER, "llama-2-7b,fp16,l5,1,decode,4,1"), "line 2, column gpu: there is no GPU 'l5'.*'l4'"),
    ],
)
def test_each_mistake_is_one_message(tmp_path, lines, message):
    with pytest.raises(HarnessError, match=message):
        read_measured(written(tmp_path, *lines), ROWS)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(HarnessError, match="cannot be read"):
        read_measured(tmp_path / "none.csv", ROWS)
    path = tmp_path / "bytes.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HarnessError, match="cannot be read"):
        read_measured(path, ROWS)


@pytest.mark.parametrize(("text", "half"), [("1.4", 0.05), ("23", 0.5), ("0.123", 0.0005), ("1.5e1", 0.5)])
def test_rounding_is_read_from_the_digits(text, half):
    assert half_of_last_digit(text) == pytest.approx(half)


@settings(deadline=None)
@given(tokens=st.integers(1, 50_000))
def test_prompts_of_a_prefill_row_hold_all_its_tokens(tokens):
    load = several_prompts(tokens)
    assert load.prefill_tokens == load.prefill_context_tokens == tokens
    mean = tokens / load.prefill_sequences
    assert mean <= 1.5 * PROMPT_TOKENS
    assert load.prefill_pairs == pytest.approx(tokens * (mean + 1) / 2, rel=0.01, abs=tokens)


@needs_data
@pytest.mark.parametrize(("name", "rows"), [("layer_times.csv", 258), ("request_times.csv", 315)])
def test_the_measured_tables_are_met(name, rows):
    found = validate(MEASURED / name, ROWS)
    assert found.rows == rows
    for errors in found.per("gpu", "phase").values():
        assert errors.median <= 0.10
        assert errors.p90 <= 0.25
