"""The committed constants: what they claim, how they travel, and what stands in for a GPU nobody measured."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.constants import (
    constants_from_text,
    constants_text,
    family_name,
    load_constants,
    power_class,
)
from harness.costmodel.devices import find_device
from harness.errors import HarnessError
from harness.hardware import load_matrix

ROWS = load_matrix(Path(__file__).resolve().parents[2] / "hardware_matrix.toml").rows
SHIPPED = load_constants()


def gpu(name):
    return SHIPPED.gpu(find_device(name, ROWS))


def test_the_text_round_trips_and_is_what_is_committed():
    text = constants_text(SHIPPED)
    again = constants_from_text(text, "here")
    assert again == SHIPPED
    assert again.version == SHIPPED.version
    committed = Path(__file__).resolve().parents[2] / "harness" / "costmodel" / "constants.json"
    assert committed.read_text(encoding="utf-8") == text


@settings(max_examples=20, deadline=None)
@given(factor=st.floats(0.5, 2.0).filter(lambda f: abs(f - 1.0) > 1e-6))
def test_any_other_figure_is_another_version(factor):
    assert re.fullmatch("roofline-[0-9a-f]{12}", SHIPPED.version)
    other = replace(SHIPPED, shared=replace(SHIPPED.shared, kernel_s=SHIPPED.shared.kernel_s * factor))
    assert other.version != SHIPPED.version


def test_efficiencies_are_parts_of_a_peak():
    parts = [f.bandwidth for f in SHIPPED.families.values()] + [c.compute for c in SHIPPED.classes.values()]
    assert all(0.2 < part < 1.0 for part in (*parts, SHIPPED.shared.all_reduce))


def test_every_shared_constant_and_engine_says_where_it_comes_from():
    fitted = {"all_reduce"}
    for name in set(type(SHIPPED.shared).__slots__) - fitted:
        assert SHIPPED.provenance[name]
    assert all(engine.provenance for engine in SHIPPED.engines.values())
    assert "layer_times.csv" in SHIPPED.provenance["data"]


@pytest.mark.parametrize("name", ["t4", "l4", "a100_40gb", "a100_80gb", "h100"])
def test_measured_gpus_are_fitted(name):
    assert gpu(name).basis == "fitted"


@pytest.mark.parametrize("name", ["t4x2", "a100_20gb", "h200", "l40s", "rtx4090", "a30", "gh200"])
def test_other_cards_of_a_family_use_its_constants(name):
    device = find_device(name, ROWS)
    assert gpu(name).basis == "family"
    assert gpu(name).bandwidth == SHIPPED.families[family_name(device)].bandwidth


@pytest.mark.parametrize("name", ["v100", "a10g", "a40"])
def test_a_fallback_is_the_mean_bandwidth_and_says_so(name):
    found = gpu(name)
    bandwidths = [f.bandwidth for f in SHIPPED.families.values()]
    assert found.basis == "fallback"
    assert "fallback" in found.note
    assert min(bandwidths) < found.bandwidth < max(bandwidths)
    assert found.compute == SHIPPED.classes["unthrottled"].compute
    assert found.error[0] > gpu("l4").error[0]
    assert found.error[1] > gpu("l4").error[1]


def test_a_slot_powered_card_throttles():
    assert power_class(find_device("t4", ROWS)) == "slot_powered"
    assert gpu("t4").compute < 0.6 * gpu("a10g").compute


def test_a_watt_gives_no_more_than_on_the_measured_sibling():
    device, watt = find_device("l40s", ROWS), SHIPPED.classes["slot_powered"].flops_per_watt["Ada Lovelace"]
    assert gpu("l40s").compute * device.rate("fp16")[1] == pytest.approx(watt * device.power_limit_w)
    assert gpu("l40s").compute < SHIPPED.classes["unthrottled"].compute
    assert gpu("rtx4090").compute == SHIPPED.classes["unthrottled"].compute


def test_launches_of_an_unknown_host_lie_between_the_measured():
    assert gpu("h100").launch_s < gpu("l4").launch_s < gpu("a100_80gb").launch_s
    assert gpu("h200").launch_s == gpu("h100").launch_s


def test_the_length_that_decode_rows_leave_out_is_of_that_data_alone():
    known = SHIPPED.layer_context_tokens
    device = find_device("v100", ROWS)
    mean = math.prod(known.values()) ** (1 / len(known))
    assert SHIPPED.unstated_context_tokens(device) == pytest.approx(mean)
    assert replace(SHIPPED, layer_context_tokens={}).unstated_context_tokens(device) == 0.0


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema_version": 9}', '{"schema_version": 1, "families": {}}']
)
def test_a_broken_set_is_one_error(text):
    with pytest.raises(HarnessError, match="is no set of constants"):
        constants_from_text(text, "mine.json")


def test_constants_from_a_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(constants_text(SHIPPED), encoding="utf-8")
    assert load_constants(path) == SHIPPED
    with pytest.raises(HarnessError, match="cannot be read"):
        load_constants(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"bandwidth": 0.8043', '"bandwidth": 0'), ('"bandwidth": 0.8043', '"bandwidth": 1.2'),
        ('"bandwidth": 0.8043', '"bandwidth": "0.8"'), ('"compute": 0.8571', '"compute": NaN'),
        ('"passes": 12.53', '"passes": -1'), ('"kernel_s": 4e-06', '"kernel_s": Infinity'),
        ('"l4": 1074.0', '"l4": 0'), ('"Hopper": 1.45', '"Hopper": 0'), ('"nvlink": 1e-05', '"other": 1e-05'),
        ('"Turing": 403700000000.0', '"Turing": -1.0'), ('"all_reduce": 0.425', '"all_reduce": null'),
    ],
)  # fmt: skip
def test_a_figure_that_no_step_time_can_be_computed_with_is_one_error(old, new):
    text = constants_text(SHIPPED)
    assert text.count(old) == 1
    with pytest.raises(HarnessError, match=r"mine\.json: is no set of constants"):
        constants_from_text(text.replace(old, new), "mine.json")


@pytest.mark.parametrize("name", ["families", "classes"])
def test_a_set_without_families_or_classes_is_one_error(name):
    text = constants_text(replace(SHIPPED, **{name: {}}))
    with pytest.raises(HarnessError, match="no family or no class"):
        constants_from_text(text, "mine.json")
