"""Reading measured tables in both layouts, their mistakes, and the errors that are reported."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.constants import load_constants
from harness.costmodel.load import prefill_load
from harness.costmodel.measured import PROMPT_TOKENS, read_measured, several_prompts
from harness.costmodel.steptime import EAGER_ENGINE, LAYER_ENGINE, Deployment, RooflineStepTime
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
    assert (prefill.half_s, decode.half_s) == (0.05e-3, 0.005e-3)
    assert prefill.position == decode.position == 2048


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


@pytest.mark.parametrize(
    ("output", "end_to_end_ms", "kept"),
    [(101, 1649, True), (101, 1651, False), (1, 149, True), (1, 151, False)],
)
def test_one_batch_takes_at_most_half_as_long_again_as_its_parts(tmp_path, output, end_to_end_ms, kept):
    row = f"bloom,h100,8,512,4,{output},100,10,{end_to_end_ms}"
    table = read_measured(written(tmp_path, REQUEST, row, "bloom,h100,8,512,4,2,100,10,110"), ROWS)
    assert (2 not in table.left_out) == kept


def test_optional_columns_may_be_missing_and_precision_given(tmp_path):
    header = "model,gpu,tensor_parallel,prompt_tokens,batch_size,prefill_ms,decode_ms_per_token,dtype"
    steps = read_measured(written(tmp_path, header, "qwen3-8b,l40s,1,100,1,9,19,fp8"), ROWS).steps
    assert {one.precision.name for one in steps} == {"fp8"}


@pytest.mark.parametrize("column", ["precision", "Quantization"])
def test_the_weight_format_may_stand_in_another_column_which_comes_first(tmp_path, column):
    row = "qwen3-8b,{},l40s,1,prefill,100,1.5,{}"
    lines = [row.format("float16", "awq"), row.format("bf16", "none"), row.format("", "")]
    steps = read_measured(written(tmp_path, f"{LAYER},{column}", *lines), ROWS).steps
    assert [one.precision.name for one in steps] == ["awq_4bit", "bf16", "fp16"]
    only = LAYER.replace("dtype", column)
    steps = read_measured(written(tmp_path, only, "qwen3-8b,fp8,l40s,1,prefill,100,1.5"), ROWS).steps
    assert steps[0].precision.name == "fp8"


def test_a_name_states_the_weight_format_where_no_cell_does(tmp_path):
    header = REQUEST + ",dtype"
    row = "TheBloke/Llama-2-7B-AWQ,a100,1,100,1,9,19,7,75,{}"
    steps = read_measured(written(tmp_path, header, row.format(""), row.format("fp16")), ROWS).steps
    assert [one.precision.name for one in steps[::2]] == ["awq_4bit", "fp16"]


def test_cells_of_optional_columns_may_be_empty(tmp_path):
    path = written(
        tmp_path,
        REQUEST,
        "bloom-176b,h100,8,512,4,,120.5,30.25,",
        "bloom-176b,h100,8,512,4,100,,30.25,3960",
        "bloom-176b,h100,8,512,4,100,120.5,nan,3960",
        "bloom-176b,h100,8,512,4,1,120.5,0,120.5",
    )
    steps = read_measured(path, ROWS).steps
    assert [(one.line, one.phase) for one in steps] == [
        (2, "prefill"), (2, "decode"), (3, "decode"), (4, "prefill"), (5, "prefill"),
    ]  # fmt: skip
    assert [one.load.decode_context_tokens for one in steps if one.phase == "decode"] == [4 * 512, 4 * 562]


def test_context_that_only_some_rows_state(tmp_path):
    lines = ("llama-2-7b,fp16,l4,1,decode,8,2.0,700", "llama-2-7b,fp16,l4,1,Decode,8,2.0,")
    known, unknown = read_measured(written(tmp_path, LAYER + ",context_tokens", *lines), ROWS).steps
    assert (known.context_stated, known.load.decode_context_tokens) == (True, 5600)
    assert (unknown.context_stated, unknown.load.decode_context_tokens) == (False, 0)


def test_a_model_that_is_in_no_table_is_read_from_its_config(tmp_path):
    config = ROOT / "fixtures" / "shapes" / "phi-3-mini-4k" / "config.json"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_bytes(config.read_bytes())
    row = "{},fp16,l4,1,prefill,100,1.5"
    (step,) = read_measured(written(tmp_path, LAYER, row.format("mine/config.json")), ROWS).steps
    assert (step.shape.name, step.shape.sliding_window) == ("mine", 2047)
    for absent in ("other/config.json", "x" * 5000 + ".json"):
        with pytest.raises(HarnessError, match=r"line 2, column model: .*cannot be read"):
            read_measured(written(tmp_path, LAYER, row.format(absent)), ROWS)


def test_rows_are_lines_of_the_file_in_every_part(tmp_path):
    line = "llama2-70b,a100-80gb,2,512,{},128,196,55,7160"
    found = validate(written(tmp_path, REQUEST, line.format(1), line.format(1), line.format(4)), ROWS)
    document = found.document()
    assert document["rows"] == document["per_gpu"]["a100-80gb"]["rows"] == 3
    assert {part["rows"] for part in document["per_phase"].values()} == {3}
    assert document["configurations"] == 4


def test_a_table_whose_every_row_is_left_out_says_why(tmp_path):
    line = "llama2-70b,a100-80gb,2,512,64,128,800,67,160000"
    with pytest.raises(HarnessError, match="holds no measured step: each end to end takes much longer"):
        read_measured(written(tmp_path, REQUEST, line), ROWS)


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


def test_a_layer_has_no_head_and_a_request_has_one_and_an_eager_host(tmp_path):
    layer = read_measured(written(tmp_path, LAYER, "llama-2-7b,fp16,l4,1,prefill,512,1"), ROWS).steps
    request = read_measured(written(tmp_path, REQUEST, "llama-2-7b,l4,1,512,1,9,1,1,9"), ROWS).steps[:1]
    deployment = Deployment(layer[0].shape, layer[0].precision, layer[0].device)
    load = prefill_load(512)
    alone = RooflineStepTime(replace(deployment, head=False), engine=LAYER_ENGINE).seconds(load) / 32
    assert predicted_seconds(layer, load_constants()) == [alone]
    whole = RooflineStepTime(deployment, engine=EAGER_ENGINE).seconds(load)
    assert predicted_seconds(request, load_constants()) == [whole]


def test_times_that_round_to_the_measured_one_are_counted(tmp_path):
    row = "llama-2-7b,fp16,l4,1,prefill,{},{}"
    steps = read_measured(written(tmp_path, LAYER, row.format(64, 1), row.format(640, 1)), ROWS).steps
    low, high = (1e3 * seconds for seconds in predicted_seconds(steps, load_constants()))
    lines = (row.format(64, f"{low:.3f}"), row.format(640, f"{high + 0.002:.3f}"))
    document = validate(written(tmp_path, LAYER, *lines), ROWS).document()
    assert document["within_rounding_ratio"] == 0.5


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
        ((LAYER, "llama-2-7b,fp16,l4,1,decode,4,1e-323"), "column milliseconds_per_layer: is '1e-323'"),
        ((LAYER, "llama-2-7b,fp16,l4,1,decode,1e300,1"), "column batch_tokens: is '1e300'"),
        (
            (LAYER, "llama-2-7b,fp16,l4,33,decode,4,1"),
            "column gpus: tensor parallelism is 33 .allowed: 1 to 32",
        ),
        ((LAYER, "llama-2-7b,fp16,a100_20gb,2,decode,4,1"), "column gpus: a100_20gb has no link"),
        ((REQUEST, "bloom,h100,8,512,4,128,,,"), "column prefill_ms: is ''"),
        ((REQUEST, "bloom,h100,8,512,4,128,1,-2,"), "column decode_ms_per_token: is '-2'"),
        ((REQUEST, "bloom,h100,8,,4,128,1,2,"), "column prompt_tokens: is ''"),
    ],
)
def test_each_mistake_is_one_message(tmp_path, lines, message):
    with pytest.raises(HarnessError, match=message):
        read_measured(written(tmp_path, *lines), ROWS)


CELLS = st.sampled_from(
    [
        "",
        "0",
        "1",
        "16",
        "1e9",
        "1e400",
        "-1",
        "nan",
        "None",
        "fp8",
        "awq",
        "l4",
        "t4x2",
        "h100",
        "opt-13b",
        "prefill",
        "decode",
    ]
) | st.text(st.characters(codec="utf-8"), max_size=12)
GOOD = {LAYER: "llama-2-7b,fp16,l4,1,decode,4,1", REQUEST: "bloom,h100,8,512,4,128,1,2,3"}


@pytest.mark.parametrize("header", GOOD)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_no_cell_whatever_it_holds_is_more_than_a_mistake(tmp_path_factory, header, data):
    path = tmp_path_factory.getbasetemp() / "fuzzed.csv"
    cells = GOOD[header].split(",")
    for place in data.draw(st.sets(st.integers(0, len(cells) - 1), min_size=1, max_size=3)):
        cells[place] = data.draw(CELLS)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(","), cells])
    try:
        where, error = str(path), validate(path, ROWS).overall.p90
    except HarnessError as mistake:
        where, error = mistake.where, 0.0
    assert str(path) in where
    assert math.isfinite(error)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(HarnessError, match="cannot be read"):
        read_measured(tmp_path / "none.csv", ROWS)
    path = tmp_path / "bytes.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HarnessError, match="cannot be read"):
        read_measured(path, ROWS)


@settings(deadline=None)
@given(tokens=st.integers(1, 50_000))
def test_prompts_of_a_prefill_row_hold_all_its_tokens(tokens):
    load = several_prompts(tokens)
    assert load.prefill_tokens == load.prefill_context_tokens == tokens
    mean = tokens / load.prefill_sequences
    assert mean <= 1.5 * PROMPT_TOKENS
    assert load.prefill_pairs == pytest.approx(tokens * (mean + 1) / 2, rel=0.01, abs=tokens)


def test_prompts_of_a_prefill_row_differ_by_one_token_at_most():
    assert several_prompts(3002) == prefill_load(1000).with_chunk(1001).with_chunk(1001)
    assert several_prompts(10**9).prefill_sequences == 10**6


@needs_data
@pytest.mark.parametrize(("name", "rows"), [("layer_times.csv", 258), ("request_times.csv", 315)])
def test_the_measured_tables_are_met(name, rows):
    found = validate(MEASURED / name, ROWS)
    assert found.rows == rows
    for errors in found.per("gpu", "phase").values():
        assert errors.median <= 0.10
        assert errors.p90 <= 0.25
