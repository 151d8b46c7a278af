"""The roofline: invariants for any load, and that both ways of asking agree."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.constants import load_constants
from harness.costmodel.devices import compact, find_device
from harness.costmodel.formats import weight_format
from harness.costmodel.known_models import find_model
from harness.costmodel.load import StepLoad, decode_load, prefill_load
from harness.costmodel.precision import find_precision, precision_of
from harness.costmodel.steptime import (
    EAGER_ENGINE,
    LAYER_ENGINE,
    Deployment,
    RooflineStepTime,
    operator_seconds,
    soft_maximum,
)
from harness.errors import HarnessError
from harness.hardware import load_matrix

ROWS = load_matrix(Path(__file__).resolve().parents[2] / "hardware_matrix.toml").rows
SMALL = find_model("qwen2.5-0.5b")
SHAPES = ("qwen2.5-0.5b", "mixtral-8x7b", "gemma-2-2b", "bloom-176b")
PRECISIONS = ("fp16", "bf16", "fp8", "int8", "awq", "nf4", "q4_k_m")
GPUS = ("t4", "l4", "a10g", "l40s", "v100", "a100_80gb", "h100", "a40")


def step_time(model="qwen2.5-0.5b", precision="bf16", gpu="l4", degree=1, engine="graphs", stages=1):
    shape = find_model(model)
    deployment = Deployment(shape, find_precision(precision, shape), find_device(gpu, ROWS), degree, stages)
    return RooflineStepTime(deployment, engine=engine)


loads = st.builds(
    lambda new, before, chunks, sequences, context: replace(
        prefill_load(new, chunks, before) if chunks else decode_load(0, 0),
        decode_sequences=sequences,
        decode_context_tokens=sequences * context,
    ),
    st.integers(1, 3000), st.integers(0, 3000), st.integers(0, 3), st.integers(0, 200), st.integers(1, 5000),
).filter(lambda load: load.tokens > 0)  # fmt: skip
models = st.builds(
    step_time,
    st.sampled_from(SHAPES), st.sampled_from(PRECISIONS), st.sampled_from(GPUS), st.sampled_from([1, 2, 4]),
    st.sampled_from(["graphs", EAGER_ENGINE, LAYER_ENGINE]), st.sampled_from([1, 2]),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(model=models, load=loads)
def test_time_is_never_below_either_roof(model, load):
    device = model.deployment.device
    operators = model.operators(load)
    moved = sum(o.repeats * o.bytes for o in operators if o.kind not in ("all_reduce", "transfer"))
    flops = sum(o.repeats * o.flops for o in operators)
    seconds = model.seconds(load)
    assert seconds > 0.0
    assert seconds * (1 + 1e-9) >= moved / device.memory_bytes_per_s
    assert seconds * (1 + 1e-9) >= flops / max(device.rates.values())


@settings(max_examples=40, deadline=None)
@given(model=models, load=loads, tokens=st.integers(0, 500), sequences=st.integers(0, 50))
def test_time_grows_with_the_load(model, load, tokens, sequences):
    longer = load.with_chunk(tokens) if tokens else load
    more = replace(
        longer,
        decode_sequences=longer.decode_sequences + sequences,
        decode_context_tokens=longer.decode_context_tokens + 100 * sequences,
    )
    assert model.seconds(load) <= model.seconds(longer) * (1 + 1e-12)
    assert model.seconds(longer) <= model.seconds(more) * (1 + 1e-12)


@given(
    model=models, load=loads, factor=st.floats(1.0, 10.0), what=st.sampled_from(["memory", "rates", "link"])
)
def test_time_falls_with_bandwidth_and_rates(model, load, factor, what):
    deployment = model.deployment
    device = deployment.device
    faster = {
        "memory": replace(device, memory_bytes_per_s=device.memory_bytes_per_s * factor),
        "rates": replace(device, rates={kind: rate * factor for kind, rate in device.rates.items()}),
        "link": replace(device, link_bytes_per_s=device.link_bytes_per_s * factor),
    }[what]
    other = RooflineStepTime(replace(deployment, device=faster), engine=model.engine.name)
    assert other.seconds(load) <= model.seconds(load) * (1 + 1e-12)


@settings(max_examples=40, deadline=None)
@given(model=models, sequences=st.integers(1, 64), context=st.integers(0, 5000), steps=st.integers(0, 40))
def test_decode_steps_equal_one_by_one(model, sequences, context, steps):
    together = model.decode_seconds(sequences, sequences * context, steps)
    assert together.shape == (steps,)
    alone = [model.seconds(decode_load(sequences, sequences * (context + i))) for i in range(steps)]
    assert together.tolist() == alone


@settings(max_examples=40, deadline=None)
@given(model=models, load=loads)
def test_a_step_is_its_operators_and_what_the_engine_adds(model, load):
    device_s = sum(operator_seconds(operator, model.rates) for operator in model.operators(load))
    engine = model.engine
    host_s = model.deployment.shape.layers * model.gpu.launch_s if engine.launches else 0.0
    added = engine.step_s + engine.sequence_s * load.decode_sequences
    added += engine.prefill_s if load.prefill_tokens else 0.0
    assert model.seconds(load) == pytest.approx(soft_maximum(device_s, host_s) + added, rel=1e-9)


@given(a=st.floats(1e-9, 1e3), b=st.floats(0.0, 1e3))
def test_the_soft_maximum_is_close_above_the_larger(a, b):
    joined = soft_maximum(a, b)
    assert max(a, b) * (1 - 1e-12) <= joined <= max(a, b) * 2**0.25 * (1 + 1e-12)
    assert soft_maximum(np.array([a]), np.array([b]))[0] == joined


def test_nothing_to_compute_takes_no_time():
    assert step_time().seconds(decode_load(0, 0)) == 0.0
    assert step_time().decode_seconds(0, 0, 3).tolist() == [0.0, 0.0, 0.0]


def test_the_eager_host_bounds_a_small_model():
    model = step_time(gpu="h100", engine=EAGER_ENGINE)
    host_s = model.deployment.shape.layers * model.gpu.launch_s
    assert host_s < model.seconds(decode_load(1, 100)) < 1.5 * host_s
    assert step_time(gpu="h100").seconds(decode_load(1, 100)) < host_s


def test_few_bits_help_reading_and_not_multiplying():
    wide, narrow = (step_time("llama-2-7b", p, "a100_80gb") for p in ("fp16", "awq"))
    few, many = decode_load(1, 100), prefill_load(4000)
    assert narrow.seconds(few) < 0.5 * wide.seconds(few)
    assert narrow.seconds(many) >= wide.seconds(many)


def test_separate_unpacking_costs_from_the_second_row_on():
    model = step_time("llama-2-7b", "nf4", "l4")
    one, two = model.seconds(decode_load(1, 100)), model.seconds(decode_load(2, 200))
    assert two > 2.0 * one


def test_fp8_has_its_own_rate_only_where_the_hardware_has_it():
    load = prefill_load(4000)
    assert step_time("llama-2-7b", "fp8", "h100").seconds(load) < 0.7 * step_time(
        "llama-2-7b", "bf16", "h100"
    ).seconds(load)
    ampere = [step_time("llama-2-7b", p, "a100_80gb").seconds(load) for p in ("fp8", "bf16")]
    assert ampere[0] >= ampere[1]


def test_bf16_runs_as_fp16_where_it_is_missing():
    load = StepLoad(500, 125250, 500, 1, 5, 500)
    for gpu in ("t4", "v100"):
        assert step_time(precision="bf16", gpu=gpu).seconds(load) == step_time(
            precision="fp16", gpu=gpu
        ).seconds(load)


@pytest.mark.parametrize(
    ("name", "bits", "compute", "unpacking"),
    [
        ("bf16", 16.0, "bf16", "none"), ("fp8", 8.0, "fp8", "none"), ("int8", 8.0, "int8", "none"),
        ("awq_4bit", 4.16, "fp16", "grouped"), ("q8_0", 8.5, "int8", "grouped"),
        ("nf4_double", 4.13, "bf16", "separate"), ("4bit", 4.5, "bf16", "separate"),
    ],
)  # fmt: skip
def test_a_weight_format_says_how_it_is_unpacked(name, bits, compute, unpacking):
    shape = find_model("llama-2-7b")
    found = precision_of(weight_format(name, shape), kv_bits=8.0)
    assert (found.compute, found.unpacking, found.kv_bits) == (compute, unpacking, 8.0)
    assert found.weight_bits == pytest.approx(bits, abs=0.02)
    assert find_precision(name, shape) == precision_of(weight_format(name, shape))


def test_tensor_parallelism_needs_a_link():
    with pytest.raises(HarnessError, match="no link"):
        step_time(gpu="a100_20gb", degree=2)
    with pytest.raises(HarnessError, match="tensor parallelism is 0"):
        step_time(degree=0)


def test_an_unknown_engine_is_named():
    with pytest.raises(HarnessError, match=r"allowed: .*eager"):
        step_time(engine="eagre")


def test_constants_are_named_by_version():
    model = step_time(gpu="l40s")
    assert model.version == load_constants().version
    assert model.gpu.basis == "family"


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("a100", "a100_40gb"), ("A100-SXM4-80GB", "a100_80gb"), ("a100-80gb", "a100_80gb"),
        ("NVIDIA A100-SXM4-80GB", "a100_80gb"), ("a100_80g", "a100_80gb"), ("NVIDIA L4", "l4"),
        ("Tesla T4", "t4"), ("NVIDIA GeForce RTX 4090", "rtx4090"), ("4090", "rtx4090"), ("H100", "h100"),
        ("h100-80gb", "h100"), ("NVIDIA H100 80GB HBM3", "h100"), ("H100-SXM5-80GB", "h100"),
        ("V100-SXM2-32GB", "v100_32gb"), ("Tesla V100-SXM2-16GB", "v100"), ("A10G", "a10g"), ("h200", "h200"),
        ("l40s", "l40s"), ("a40", "a40"), ("H100 PCIe", "h100_pcie"), ("H200-141GB", "h200"),
    ],
)  # fmt: skip
def test_gpus_are_found_by_common_spellings(spelling, name):
    assert find_device(spelling, ROWS).name == name


def test_every_row_is_found_and_an_unknown_gpu_lists_them():
    for row in ROWS.values():
        if row.kind == "cuda":
            assert find_device(row.name, ROWS).name == row.name
    with pytest.raises(HarnessError, match=r"no GPU 'b9000' \(allowed: .*a100_40gb.*t4"):
        find_device("b9000", ROWS)
    assert compact("NVIDIA A100-SXM4-80GB") == "a10080gb"


@pytest.mark.parametrize(
    "model", ["llama2-70b", "Llama-2-70b-chat-hf", "meta-llama/Llama-2-70B", "llama-2-70b"]
)
def test_models_are_found_by_common_spellings(model):
    assert find_model(model).name == "llama-2-70b"


def test_an_unknown_model_or_precision_lists_what_there_is():
    with pytest.raises(HarnessError, match=r"no model 'gpt-9'.*llama-2-70b"):
        find_model("gpt-9")
    with pytest.raises(HarnessError, match=r"no weight format 'fp7'.*nf4"):
        find_precision("fp7", SMALL)
