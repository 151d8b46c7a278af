"""One set of settings per hardware row, as the server's command line and as the engine's arguments."""

import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from harness.engines.vllm_settings import (
    CPU_HOME,
    VllmSettings,
    cpu_python,
    cpu_settings,
    engine_arguments,
    environment,
    server_command,
    settings_for_row,
)
from harness.errors import HarnessError
from harness.hardware.matrix import load_matrix

ROOT = Path(__file__).resolve().parents[2]
MATRIX = load_matrix(ROOT / "hardware_matrix.toml")
PYTHON = Path("venv/bin/python")
CONTAINER = [
    "--dtype=bfloat16", "--max-model-len=4096", "--gpu-memory-utilization=0.95", "--max-num-seqs=64",
    "--max-num-batched-tokens=16384", "--enable-chunked-prefill", "--enable-prefix-caching",
    "--tensor-parallel-size=1", "--no-enforce-eager", "--generation-config=vllm", "--seed=0",
]  # fmt: skip
NO_BFLOAT16 = ["--dtype=float16", *CONTAINER[1:]]
EXPECTED = {
    "l4": CONTAINER,
    "a10g": CONTAINER,
    "l40s": CONTAINER,
    "rtx4090": CONTAINER,
    "a100_20gb": CONTAINER,
    "a100_40gb": CONTAINER,
    "a100_80gb": CONTAINER,
    "h100": CONTAINER,
    "h200": CONTAINER,
    "t4": NO_BFLOAT16,
    "v100": NO_BFLOAT16,
    "t4x2": [
        "--dtype=float16", "--max-model-len=8192", *CONTAINER[2:7], "--tensor-parallel-size=2",
        *CONTAINER[8:], "--quantization=awq",
    ],
    "cpu": [
        *CONTAINER[:8], "--enforce-eager", *CONTAINER[9:], "--kv-cache-memory-bytes=1073741824",
        "--block-size=128",
    ],
}  # fmt: skip


def options(settings: VllmSettings) -> list[str]:
    command = server_command(settings, PYTHON, host="127.0.0.1", port=8000)
    start = [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--host=127.0.0.1", "--port=8000"]
    assert command[:7] == [*start, "--enable-prompt-tokens-details", "--model=m"]
    return command[7:]


def test_every_row_of_the_matrix_has_an_expectation() -> None:
    assert set(EXPECTED) == set(MATRIX.rows)


@pytest.mark.parametrize("row", EXPECTED)
def test_the_command_line_of_a_row(row: str) -> None:
    assert options(settings_for_row("m", MATRIX.row(row))) == EXPECTED[row]


def test_the_engine_gets_what_the_server_gets() -> None:
    settings = replace(cpu_settings("m", threads=2), quantization="fp8", prefix_caching=False)
    arguments = engine_arguments(settings)
    said = options(settings)
    assert f"--block-size={arguments['block_size']}" in said
    assert "--no-enable-prefix-caching" in said
    assert arguments["enable_prefix_caching"] is False
    assert len(said) == len(arguments) - 1


def test_a_served_name_and_no_key_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "secret")
    command = server_command(VllmSettings("m"), PYTHON, host="::1", port=1, served_name="embedded")
    assert "--served-model-name=embedded" in command
    assert "secret" not in " ".join(command)


def test_a_gpu_gets_no_variable_of_the_cpu() -> None:
    assert environment(VllmSettings("m")) == {"VLLM_NO_USAGE_STATS": "1"}
    assert environment(cpu_settings("m", threads=2)) == {
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "2",
    }
    assert "OMP_NUM_THREADS" not in environment(cpu_settings("m"))


def test_a_precision_that_vllm_lacks_is_refused() -> None:
    row = replace(MATRIX.row("l4"), serving={**MATRIX.row("l4").serving, "quantization": "nf4"})
    with pytest.raises(HarnessError, match=r"row l4, serving\.quantization: vLLM 0\.32 cannot load nf4"):
        settings_for_row("m", row)


def test_another_engines_table_does_not_count() -> None:
    row = replace(MATRIX.row("l4"), serving={"engine": "llama.cpp", "max_model_len_tokens": 17})
    assert settings_for_row("m", row) == VllmSettings("m")


def test_the_cpu_build_is_found_where_the_script_puts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    script = runpy.run_path(str(ROOT / "scripts/vllm_cpu.py"))
    assert script["HOME"] == ROOT / CPU_HOME
    with pytest.raises(HarnessError, match=r"third-party CPU build.*is not installed; make vllm-cpu"):
        cpu_python(tmp_path)
    (tmp_path / CPU_HOME).mkdir(parents=True)
    (tmp_path / CPU_HOME / "ready.json").write_text("{}")
    assert cpu_python(tmp_path) == tmp_path / CPU_HOME / "venv/bin/python"


def test_the_lock_of_the_cpu_build_leaves_out_what_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    script = runpy.run_path(str(ROOT / "scripts/vllm_cpu.py"))
    pinned = (ROOT / "locks/vllm-cpu.txt").read_text()
    assert f"\n{script['REQUIREMENT']} \\\n" in pinned
    for package in (*script["LEFT_OUT"], "torch"):
        assert f"\n{package}==" not in pinned, package
