"""The shipped matrix is right, and every mistake in one becomes a single clear message."""

from __future__ import annotations

import copy
import dataclasses
import json
import keyword
import pickle
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.errors import EXIT_BAD_INPUT, HarnessError
from harness.hardware import load_matrix
from harness.hardware.matrix import matrix_from_text, matrix_schema
from harness.hardware.rules import RESERVED_NAMES

PATH = Path(__file__).parents[2] / "hardware_matrix.toml"
TEXT = PATH.read_text(encoding="utf-8")
DATA = tomllib.loads(TEXT)
MATRIX = load_matrix(PATH)
ROWS = sorted(MATRIX.rows)
CUDA_ROWS = [name for name in ROWS if MATRIX.rows[name].kind == "cuda"]


def to_toml(data: dict[str, Any]) -> str:
    """TOML with inline tables: enough to write any matrix back."""
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in data.items())


def _key(key: str) -> str:
    return json.dumps(key, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value)


def error_of(data: dict[str, Any]) -> HarnessError:
    with pytest.raises(HarnessError) as caught:
        matrix_from_text(to_toml(data), Path("m.toml"))
    assert caught.value.exit_code == EXIT_BAD_INPUT
    return caught.value


def error_or_none(text: str) -> HarnessError | None:
    try:
        matrix_from_text(text, Path("m.toml"))
    except HarnessError as error:
        return error
    return None


def leaves(data: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    found = [leaf for key, value in items for leaf in leaves(value, (*path, key))]
    return found or [path]


def put(data: dict[str, Any], path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    changed = copy.deepcopy(data)
    place: Any = changed
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return changed


def drop(data: dict[str, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    changed = copy.deepcopy(data)
    place: Any = changed
    for part in path[:-1]:
        place = place[part]
    del place[path[-1]]
    return changed


ROW_LEAVES = [path for path in leaves(DATA) if path[0] != "models"]


def test_the_rows_are_those_promised() -> None:
    promised = "cpu t4 t4x2 l4 a10g l40s v100 rtx4090 a100_20gb a100_40gb a100_80gb h100 h200"
    assert list(MATRIX.rows) == promised.split()


def test_writing_it_back_changes_nothing() -> None:
    again = matrix_from_text(to_toml(DATA), PATH)
    assert again == MATRIX


def test_comments_do_not_change_the_digest_and_figures_do() -> None:
    assert matrix_from_text("# another comment\n" + TEXT, PATH).digest == MATRIX.digest
    backwards = dict(reversed(DATA.items()))
    assert matrix_from_text(to_toml(backwards), PATH).digest == MATRIX.digest
    changed = put(DATA, ("l4", "memory_gib"), 22.6)
    assert matrix_from_text(to_toml(changed), PATH).digest != MATRIX.digest


def test_it_survives_being_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(MATRIX)) == MATRIX


def test_it_cannot_be_changed_by_accident() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        MATRIX.rows["l4"].gpus = 2  # type: ignore[misc]


@pytest.mark.parametrize("name", CUDA_ROWS)
def test_rates_fit_the_hardware(name: str) -> None:
    row = MATRIX.rows[name]
    rates = row.dense
    assert rates.fp16_tflops > rates.fp32_tflops > 0
    # Types of one width share a rate, half the width at most doubles it (GeForce: int8 four times fp16
    # with fp32 accumulation). A figure with sparsity in it would break one of these.
    assert rates.bf16_tflops in (0, rates.fp16_tflops)
    assert rates.fp8_tflops <= 2.05 * rates.fp16_tflops
    assert rates.int8_tops <= 4.0 * rates.fp16_tflops
    assert (rates.fp8_tflops > 0) == (row.capability in ("8.9", "9.0"))
    assert (rates.bf16_tflops > 0) == (float(row.capability) >= 8.0)


@pytest.mark.parametrize("name", CUDA_ROWS)
def test_the_balance_of_compute_and_memory_is_plausible(name: str) -> None:
    row = MATRIX.rows[name]
    flop_per_byte = row.dense.fp16_tflops * 1e3 / row.memory_bandwidth_gb_s
    assert 100 < flop_per_byte < 450


@pytest.mark.parametrize("name", ROWS)
def test_every_figure_has_a_source(name: str) -> None:
    row = MATRIX.rows[name]
    assert row.memory_bandwidth_gb_s > 0
    assert row.price.usd_per_hour > 0
    assert row.price.source
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", row.price.date)
    assert all(len(source) > 20 for source in row.sources)
    for table in (row.serving, row.detection, row.extraction, row.quantization):
        assert not table or (table["provenance"] == "quoted" and ".md" in table["source"])


def test_the_slice_is_its_share_of_the_card() -> None:
    part, card = MATRIX.rows["a100_20gb"], MATRIX.rows["a100_40gb"]
    share = part.multiprocessors / card.multiprocessors
    assert part.multiprocessors == 4 * 14
    assert part.dense.fp16_tflops == pytest.approx(card.dense.fp16_tflops * share, abs=0.05)
    assert part.dense.int8_tops == pytest.approx(card.dense.int8_tops * share, abs=0.1)
    assert part.memory_bandwidth_gb_s == card.memory_bandwidth_gb_s / 2
    assert part.price.usd_per_hour == card.price.usd_per_hour / 2


def test_two_t4_are_twice_one_t4() -> None:
    one, two = MATRIX.rows["t4"], MATRIX.rows["t4x2"]
    assert two.gpus == 2
    assert (two.dense, two.memory_gib, two.gpu_names) == (one.dense, one.memory_gib, one.gpu_names)
    assert two.price.usd_per_hour == 2 * one.price.usd_per_hour


def test_the_settings_of_the_documents_are_there() -> None:
    rows = MATRIX.rows
    container = {
        "dtype": "bfloat16",
        "max_model_len_tokens": 4096,
        "gpu_memory_utilization_ratio": 0.95,
        "enable_chunked_prefill": True,
        "max_num_batched_tokens": 16384,
        "enable_prefix_caching": True,
        "max_num_seqs_range": [32, 64],
        "tensor_parallel": 1,
    }
    threads = {"l4": [10, 15], "a10g": [20, 30], "l40s": [40, 50]}
    for name, expected in threads.items():
        assert container.items() <= rows[name].serving.items()
        assert rows[name].serving["threads_range"] == expected
        assert rows[name].quantization["max_drop_ratio"] == 0.05
    speeds = {"t4x2": [11, 11], "t4": [8, 10], "a100_40gb": [40, 50], "rtx4090": [60, 80]}
    assert {name: rows[name].detection["expected_samples_per_min"] for name in speeds} == speeds
    assert rows["a100_20gb"].extraction["company_target_s"] == [3600, 5400]


@pytest.mark.parametrize("name", CUDA_ROWS)
def test_small_gpus_expect_the_autotune_warning(name: str) -> None:
    row = MATRIX.rows[name]
    line = "W0301 torch/_inductor/utils.py:1137] [2/0] Not enough SMs to use max_autotune_gemm mode"
    assert (row.why_harmless(line) is not None) == (row.multiprocessors < 68)


def test_the_warning_as_the_document_writes_it_is_expected_on_an_l4() -> None:
    reason = MATRIX.rows["l4"].why_harmless("not enough SMs for max_autotune_gemm")
    assert reason is not None
    assert "58" in reason
    assert MATRIX.rows["l4"].why_harmless("CUDA out of memory") is None


@pytest.mark.parametrize("name", CUDA_ROWS)
def test_gpus_before_ampere_expect_another_attention_kernel(name: str) -> None:
    row = MATRIX.rows[name]
    line = "Cannot use FlashAttention-2 backend for Volta and Turing GPUs."
    assert (row.why_harmless(line) is not None) == (float(row.capability) < 8.0)


def test_every_system_has_a_model_on_the_cpu() -> None:
    systems = {entry.system for entries in MATRIX.models.values() for entry in entries if "cpu" in entry.rows}
    assert systems == {"prompts", "extraction", "detection", "placement"}


def test_unknown_row_suggests_the_closest() -> None:
    with pytest.raises(HarnessError, match=r"'l5'.*did you mean 'l4'"):
        MATRIX.row("l5")
    assert MATRIX.row("l4").name == "l4"


@given(path=st.sampled_from(ROW_LEAVES), value=st.sampled_from([{}, [{}], [[]], {"x": 1}]))
def test_a_wrong_type_anywhere_is_one_message_with_row_and_key(path: Any, value: object) -> None:
    error = error_of(put(DATA, path, value))
    keys = [part for part in path[1:] if isinstance(part, str)]
    assert error.where.startswith(f"m.toml, row {path[0]}, key {keys[0]}")
    assert keys[-1] in error.where
    assert error.allowed
    assert error.next_step


@given(
    path=st.sampled_from(leaves(DATA)),
    value=st.sampled_from([None, True, -1, 0, 2.5, "", "24 GB", "x", [], {}]),
)
def test_any_changed_leaf_loads_or_is_one_message(path: Any, value: object) -> None:
    changed = drop(DATA, path) if value is None else put(DATA, path, value)
    error = error_or_none(to_toml(changed))
    if error is not None:
        assert error.exit_code == EXIT_BAD_INPUT
        assert error.where.startswith("m.toml, ")
        assert all((error.what, error.allowed, error.next_step))


@given(row=st.sampled_from(ROWS), key=st.sampled_from(matrix_schema()["$defs"]["row"]["required"]))
def test_a_missing_key_is_named(row: str, key: str) -> None:
    error = error_of(drop(DATA, (row, key)))
    assert error.where == f"m.toml, row {row}, key {key}"
    assert error.what == "is missing"


@given(row=st.sampled_from(ROWS), key=st.sampled_from(["memory_gb", "prize_date", "clocks", "isolate"]))
def test_an_unknown_key_suggests_the_closest(row: str, key: str) -> None:
    error = error_of(put(DATA, (row, key), 1))
    assert error.where == f"m.toml, row {row}, key {key}"
    meant = {"memory_gb": "memory_gib", "prize_date": "price_date", "clocks": "clock", "isolate": "isolated"}
    assert error.next_step == f"did you mean '{meant[key]}'?"


@given(
    row=st.sampled_from(CUDA_ROWS), figure=st.sampled_from([float("nan"), float("inf"), True, "24 GB", -1, 0])
)
def test_memory_has_to_be_a_positive_figure(row: str, figure: object) -> None:
    error = error_of(put(DATA, (row, "memory_gib"), figure))
    assert error.where == f"m.toml, row {row}, key memory_gib"
    assert error.allowed == "a number above 0, in GiB"


def test_a_unit_in_quotes_is_answered_with_the_figure() -> None:
    error = error_of(put(DATA, ("l4", "memory_gib"), "24 GB"))
    assert error.next_step == "write 24, without unit and quotes"


@given(
    name=st.text(min_size=1, max_size=8)
    | st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True)
    | st.sampled_from(sorted(RESERVED_NAMES))
)
def test_a_row_name_has_to_be_a_marker(name: str) -> None:
    assume(name not in DATA)
    changed = {**DATA, name: DATA["l4"]}
    if re.fullmatch(r"[a-z][a-z0-9_]*", name) and name not in RESERVED_NAMES and not keyword.iskeyword(name):
        assert name in matrix_from_text(to_toml(changed), PATH).rows
    else:
        error = error_of(changed)
        assert error.where.startswith("m.toml, row ")


@pytest.mark.parametrize(
    "name", ["slow", "gpu", "skip", "parametrize", "not", "benchmark", "auto", "L4", "a-100", "4l"]
)
def test_names_that_mean_something_else_are_refused(name: str) -> None:
    error = error_of({**DATA, name: DATA["l4"]})
    assert error.where == f"m.toml, row {name}"


@pytest.mark.parametrize(
    ("path", "value", "key", "allowed"),
    [
        (("l4", "clock"), "cuda", "clock", "'thread', 'process', 'wall', 'cuda_event'"),
        (("cpu", "clock"), "cuda_event", "clock", "'thread', 'process', 'wall' on a host row"),
        (("l4", "kind"), "host", "kind", "'cuda'"),
        (("cpu", "kind"), "cuda", "kind", "'host'"),
        (("l4", "gpus"), 0, "gpus", "1 or more on a cuda row"),
        (("cpu", "gpus"), 1, "gpus", "0 on a host row"),
        (("l4", "compute_capability"), "", "compute_capability", "such as '8.9' on a cuda row"),
        (("cpu", "compute_capability"), "8.9", "compute_capability", "empty on a host row"),
        (("l4", "gpu_names"), [], "gpu_names", "at least one regular expression on a cuda row"),
        (("l4", "gpu_names"), ["L4("], "gpu_names[0]", "a regular expression"),
        (("l4", "interconnect"), "none", "interconnect_gb_s", "0 with 'none', above 0 otherwise"),
        (("l4", "price_date"), "2026-02-30", "price_date", "YYYY-MM-DD"),
        (("t4", "dense", "fp8_tflops"), 130.0, "dense.fp8_tflops", "0 below capability 8.9"),
        (("v100", "dense", "bf16_tflops"), 125.0, "dense.bf16_tflops", "0 below capability 8.0"),
        (("l4", "serving", "threads_range"), [15, 10], "serving.threads_range", "[low, high]"),
        (("l4", "serving", "threads_range"), [15], "serving.threads_range", "2 of them"),
        (("t4x2", "detection", "max_memory_gb"), [12.0], "detection.max_memory_gb", "one per GPU, 2 here"),
        (("t4x2", "serving", "tensor_parallel"), 4, "serving.tensor_parallel", "at most 2 here"),
        (("t4", "detection", "batch_size"), 1.5, "detection.batch_size", "a whole number from 1"),
    ],
)
def test_rules_across_keys(path: Any, value: object, key: str, allowed: str) -> None:
    error = error_of(put(DATA, path, value))
    assert error.where == f"m.toml, row {path[0]}, key {key}"
    assert error.allowed == allowed
    assert error.next_step


def test_a_price_written_as_a_toml_date_is_refused() -> None:
    text = TEXT.replace('price_date = "2026-10-02"', "price_date = 2026-10-02", 1)
    with pytest.raises(HarnessError, match=r"row cpu, key price_date: .*put quotes around it"):
        matrix_from_text(text, PATH)


@pytest.mark.parametrize("row", ROWS)
def test_a_model_for_an_unknown_row(row: str) -> None:
    changed = put(DATA, ("models", "detection", 1, "rows"), [row + "x"])
    error = error_of(changed)
    assert error.where == "m.toml, model detection, entry 2, key rows"
    assert f"'{row}x'" in error.what
    assert error.next_step.startswith("did you mean")


def test_two_models_for_one_row() -> None:
    error = error_of(put(DATA, ("models", "detection", 1, "rows"), ["cpu", "l4"]))
    assert error.where == "m.toml, model detection, entry 2, key rows"
    assert "'l4' once more" in error.what


def test_every_matrix_needs_the_host() -> None:
    error = error_of(drop(DATA, ("cpu",)))
    assert "cpu" in error.where
    assert error.what == "is missing"


def test_one_row_is_a_matrix() -> None:
    matrix = matrix_from_text(to_toml({"cpu": DATA["cpu"]}), Path("m.toml"))
    assert list(matrix.rows) == ["cpu"]
    assert matrix.models == {}


def line_of(text: str, part: str) -> int:
    return text[: text.rindex(part)].count("\n") + 1


@pytest.mark.parametrize("row", ROWS)
def test_a_row_declared_twice_is_named_with_its_line(row: str) -> None:
    text = TEXT + f"\n[{row}]\n"
    with pytest.raises(HarnessError) as caught:
        matrix_from_text(text, Path("m.toml"))
    assert caught.value.where == f"m.toml, line {line_of(text, f'[{row}]')}, row {row}"
    assert caught.value.what == f"table [{row}] is declared twice"


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("[l4\n", "m.toml, line 1", "is no TOML"),
        ("[l4]\ntitle = 'a'\ntitle = 'b'\n", "m.toml, line 3", "a key is given twice"),
        ("[l4.dense]\n[l4.dense]\n", "m.toml, line 2, row l4", "table [l4.dense] is declared twice"),
        ("x = ", "m.toml, last line", "is no TOML"),
        ("", "m.toml, row cpu", "is missing"),
    ],
)
def test_malformed_toml_has_a_line(text: str, where: str, what: str) -> None:
    with pytest.raises(HarnessError) as caught:
        matrix_from_text(text, Path("m.toml"))
    assert caught.value.where == where
    assert caught.value.what.startswith(what)


@given(st.text(max_size=60) | st.integers(0, len(TEXT)).map(lambda end: TEXT[:end]))
def test_no_text_gives_another_kind_of_error(text: str) -> None:
    error = error_or_none(text)
    assert error is None or error.where.startswith("m.toml")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"there is no such hardware matrix.*--matrix"):
        load_matrix(tmp_path / "no.toml")


def test_a_folder_and_other_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_bytes(b"\xff\xfe")
    for path in (tmp_path, tmp_path / "m.toml"):
        with pytest.raises(HarnessError, match="cannot be read"):
            load_matrix(path)
