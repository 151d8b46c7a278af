"""The roofline: invariants for any load, and that both ways of asking agree."""

import json
from dataclasses import replace
from importlib import resources
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
    for model in ("qwen2.5-0.5b", "mixtral-8x7b"):
        assert step_time(model).operators(decode_load(0, 0)) == []
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


def test_more_devices_than_heads_or_stages_than_layers_are_refused():
    assert step_time(degree=14, stages=24).seconds(decode_load(1, 10)) > 0.0
    with pytest.raises(HarnessError, match=r"tensor parallelism is 15 .allowed: 1 to 14 for qwen2.5-0.5b"):
        step_time(degree=15)
    with pytest.raises(HarnessError, match=r"pipeline parallelism is 25 .allowed: 1 to 24"):
        step_time(stages=25)


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
        ("A10G-24GB", "a10g"), ("NVIDIA A10", "a10"), ("A100_80G_PCIe", "a100_80gb_pcie"),
        ("A100 40 GB", "a100_40gb"),
        ("h100-80gb-pcap", "h100_350w"), ("NVIDIA GH200 480GB", "gh200"), ("H100-NVL-94GB", "h100_nvl"),
        ("A800", "a100_80gb"), ("RTX A6000 48GB", "rtx_a6000"), ("Tesla P100-PCIE-16GB", "p100_pcie"),
        ("NVIDIA A100-SXM4-40GB MIG 4g.20gb", "a100_20gb"), ("RTX 6000 Ada Generation", "rtx6000_ada"),
    ],
)  # fmt: skip
def test_gpus_are_found_by_common_spellings(spelling, name):
    assert find_device(spelling, ROWS).name == name


def test_every_data_sheet_and_alias_leads_to_a_device_with_plausible_figures():
    table = json.loads(resources.files("harness.costmodel").joinpath("devices.json").read_text("utf-8"))
    for name in (*table["devices"], *table["aliases"]):
        device = find_device(name, ROWS)
        assert device.source
        assert device.cache_bytes == table["second_level_cache_mib"][device.name] * 2**20
        # from a P100 (29 FLOP per byte) to an H20 and an H100
        assert 20 < max(device.rates.values()) / device.memory_bytes_per_s < 1500
        assert 1.0 <= device.rate("fp16")[1] / device.rate("fp32")[1] <= 40.0


def test_every_row_is_found_and_an_unknown_gpu_lists_them():
    for row in ROWS.values():
        if row.kind == "cuda":
            assert find_device(row.name, ROWS).name == row.name
    with pytest.raises(HarnessError, match=r"no GPU 'b9000' \(allowed: .*a100_40gb.*t4"):
        find_device("b9000", ROWS)
    assert compact("NVIDIA A100-SXM4-80GB") == "a10080gb"


def test_an_unknown_model_or_precision_lists_what_there_is():
    with pytest.raises(HarnessError, match=r"no model 'gpt-9'.*llama-2-70b"):
        find_model("gpt-9")
    with pytest.raises(HarnessError, match=r"no weight format 'fp7'.*nf4"):
        find_precision("fp7", SMALL)


def test_figures_of_a_data_sheet_in_si_units():
    found = find_device("a40", ROWS)
    assert (found.memory_bytes_per_s, found.rates["fp16"]) == (696e9, 149.7e12)
    # both directions of PCIe 4.0 x16 are 64 GB/s
    assert (found.link_bytes_per_s, found.cache_bytes) == (32e9, 6 * 2**20)
    row = find_device("l4", ROWS)
    assert (row.memory_bytes_per_s, row.rates["fp8"], row.link_bytes_per_s) == (300e9, 242.5e12, 32e9)


def test_only_a_known_limit_of_at_most_the_slots_is_slot_powered():
    device = find_device("l4", ROWS)
    limits = {75.0: True, 75.1: False, 0.5: True, 0.0: False}
    for watts, slot_powered in limits.items():
        assert replace(device, power_limit_w=watts).slot_powered is slot_powered


def test_rates_of_each_kind_of_weights():
    constants = load_constants()
    shared, memory = constants.shared, find_device("h100", ROWS).memory_bytes_per_s
    for precision, rate, matmul, packed_matmul, fraction in (
        ("bf16", 989.4e12, 1.0, 1.0, 1.0),
        ("fp8", 1978.9e12, shared.narrow_compute, 1.0, 1.0),
        ("awq", 989.4e12, 1.0, shared.grouped_compute, shared.grouped_bandwidth),
        ("nf4", 989.4e12, 1.0, 1.0, shared.separate_bandwidth),
    ):
        model = step_time("llama-2-7b", precision, "h100")
        rates, gpu = model.rates, model.gpu
        assert rates.matmul == pytest.approx(rate * gpu.compute * matmul)
        assert rates.packed_matmul == pytest.approx(rates.matmul * packed_matmul)
        assert rates.packed_memory == pytest.approx(memory * gpu.bandwidth * fraction)
        assert rates.plain_matmul == pytest.approx(989.4e12 * gpu.compute)
        assert rates.attention == pytest.approx(rates.plain_matmul * shared.attention)


def test_float32_activations_are_twice_as_wide():
    shape = find_model("llama-2-7b")
    assert find_precision("fp32", shape).activation_bytes == 4.0
    assert (
        find_precision("bf16", shape).activation_bytes
        == find_precision("int8", shape).activation_bytes
        == 2.0
    )


# Bounds of what is plausible, no measurement: a step of one sequence reads at 65 to 90 % of the memory's
# rate, a long prompt multiplies at 38 to 80 % of the peak (least on cards that throttle).
@pytest.mark.parametrize(
    "gpu",
    [
        "t4",
        "l4",
        "a10g",
        "a30",
        "a40",
        "a6000",
        "l40s",
        "rtx4090",
        "v100",
        "a100",
        "a100-80gb",
        "h100",
        "h200",
    ],
)
def test_times_of_a_7b_model_are_physical_on_every_gpu(gpu):
    model = step_time("llama-2-7b", "fp16", gpu, engine=LAYER_ENGINE)
    device = model.deployment.device
    load = decode_load(1, 512)
    moved = sum(operator.repeats * operator.bytes for operator in model.operators(load))
    assert 0.65 < moved / device.memory_bytes_per_s / model.seconds(load) < 0.9
    prompt = prefill_load(2048)
    flops = sum(operator.repeats * operator.flops for operator in model.operators(prompt))
    assert 0.38 < flops / device.rate("fp16")[1] / model.seconds(prompt) < 0.8
    # Few bits decode faster; no prompt is faster than its own type allows.
    for precision, most in (("fp8", 0.65), ("int8", 0.65), ("awq", 0.5), ("q4_k_m", 0.5), ("nf4", 0.6)):
        other = step_time("llama-2-7b", precision, gpu, engine=LAYER_ENGINE)
        assert other.seconds(load) < most * model.seconds(load)
        kind = device.rate(other.deployment.precision.compute)[0]
        assert (
            other.seconds(prompt) > model.seconds(prompt) * device.rates["fp16"] / device.rates[kind] * 0.98
        )
