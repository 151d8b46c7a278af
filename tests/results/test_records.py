import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from result_builders import bounded, cell, cells, timed

from harness.errors import HarnessError
from harness.measure.outcome import ClaimFinding, Effect, Sample
from harness.results.documents import json_text, validate_part
from harness.results.records import (
    SCHEMA_VERSION,
    cell_from_json,
    cell_to_json,
    samples_from_json,
    samples_to_json,
)


@given(cells)
def test_a_cell_survives_the_trip_through_json_text(original):
    text = json_text({"cell": cell_to_json(original), "samples": samples_to_json(original)})
    record = json.loads(text)
    assert cell_from_json(record["cell"], samples_from_json(record["samples"])) == original


@given(cells)
def test_what_is_written_obeys_the_committed_schema(original):
    record = {
        "schema_version": SCHEMA_VERSION,
        "cell": cell_to_json(original),
        "sample_fields": ["metric", "arm", "round", "order", "value"],
        "samples": samples_to_json(original),
    }
    validate_part(record, "cell_file", "here")


def test_open_ends_of_a_claim_are_null():
    claim = ClaimFinding("ratio", -math.inf, math.inf, "a.md", "any", "met")
    written = cell_to_json(cell(timed(claims=(claim,))))
    assert written["findings"][0]["claims"][0]["low"] is None
    assert written["findings"][0]["claims"][0]["high"] is None
    assert cell_from_json(written).findings[0].claims == (claim,)


def test_samples_are_not_part_of_the_cell():
    original = cell(timed(), samples=(Sample("latency", "baseline", 0, 0, 0.1),))
    assert "samples" not in cell_to_json(original)


@pytest.mark.parametrize("figure", [math.nan, math.inf, -math.inf])
def test_a_figure_that_is_none_is_refused_by_name(figure):
    with pytest.raises(HarnessError, match=r"latency\.baseline") as caught:
        cell_to_json(cell(timed(baseline=figure)))
    assert "finite" in caught.value.message


def test_an_interval_is_open_only_outwards():
    wrong = replace(bounded(), effect=Effect(0.1, math.inf, 0.2, 0.99))
    with pytest.raises(HarnessError, match=r"effect\.low"):
        cell_to_json(cell(wrong))


def test_a_sample_that_is_no_number_is_refused():
    with pytest.raises(HarnessError, match=r"samples\[0\]"):
        samples_to_json(cell(timed(), samples=(Sample("latency", "baseline", 0, 0, math.nan),)))


def test_numpy_scalars_and_tuples_become_plain():
    written = cell_to_json(cell(timed(baseline=np.float64(2.5)), params={"shape": (np.int64(3), 4)}))
    assert written["findings"][0]["baseline"] == 2.5
    assert written["params"] == {"shape": [3, 4]}
    json.dumps(written)


def test_a_parameter_that_is_no_data_is_refused():
    with pytest.raises(HarnessError, match=r"params\.engine") as caught:
        cell_to_json(cell(timed(), params={"engine": object()}))
    assert "0x" not in caught.value.message
