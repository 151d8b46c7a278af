"""One load on one row, whatever the load: figures or the reason why there are none, never a hole."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.costmodel.constants import load_constants
from harness.costmodel.known_models import find_model
from harness.costmodel.serving import documented
from harness.costmodel.simulation import ClosedLoop, Limits, requests_of
from harness.hardware import load_matrix
from harness.predict.load import Load
from harness.predict.output import csv_text, json_text
from harness.predict.prediction import Asked, Predictions, predict
from harness.predict.report import aligned, table, text

ROOT = Path(__file__).resolve().parents[2]
ROWS = {k: v for k, v in load_matrix(ROOT / "hardware_matrix.toml").rows.items() if v.kind == "cuda"}


@st.composite
def questions(draw):
    """(serving, asked): any row, a small or a large model, any load of a few requests."""
    count = draw(st.integers(1, 12))
    lengths = st.lists(st.integers(1, 3000), min_size=count, max_size=count)
    requests = requests_of(np.arange(count) * draw(st.floats(0.0, 1.0)), draw(lengths), draw(lengths))
    closed = draw(st.sampled_from([None, ClosedLoop(1), ClosedLoop(5)]))
    limits = draw(st.sampled_from([None, Limits(0.5), Limits(0.5, 0.02)]))
    batch = draw(st.sampled_from([0, 1, 4, 100]))
    model = find_model(draw(st.sampled_from(["qwen3-4b", "gemma-3-4b", "llama-2-70b"])))
    weights, row = draw(st.sampled_from(["bf16", "fp8", "q4_k_m"])), draw(st.sampled_from([*ROWS]))
    serving = replace(
        documented(model, weights, ROWS[row]),
        tensor_parallel=draw(st.sampled_from([1, 2, 3])),
        chunked_prefill=draw(st.booleans()),
        max_batched_tokens=draw(st.sampled_from([64, 2048, 16384])),
    )
    return serving, Asked(Load(requests, closed, {"requests": count}), limits, batch, load_constants())


@given(questions())
@settings(max_examples=60, deadline=None)
def test_a_row_has_figures_or_a_reason(question):
    serving, asked = question
    found = predict(serving, asked)
    assert (found.figures is None) == (found.refusal is not None)
    assert (
        found.rows_used * serving.row.gpus
        >= serving.tensor_parallel
        > (found.rows_used - 1) * serving.row.gpus
    )
    document = found.document()
    assert json.loads(json_text(document))["fits"] == (found.figures is not None)
    both = Predictions(asked, (found, found))
    assert "nan" not in text(both)
    assert "nan" not in table(both)
    if found.figures is None:
        assert document["reason"]
        return
    outcome, steps = found.figures.outcome, found.figures.steps
    assert outcome.requests == len(asked.load.requests)
    assert 1 <= steps.decoding <= min(found.sequences, asked.batch or serving.max_sequences)
    assert 0.0 < steps.decode_one_s <= steps.decode_s < math.inf
    for each in (outcome.time_to_first_token_s, outcome.end_to_end_s):
        assert 0.0 < each.p50 <= each.p90 <= each.p99 < math.inf
    holes = {key for key, value in found.figures.document().items() if _hole(value)}
    assert holes == set(found.figures.unknown)


def _hole(value):
    if isinstance(value, dict):
        return any(map(_hole, value.values()))
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def test_several_rows_cost_as_many_prices():
    load = Load(requests_of(0.0, [100] * 4, 10), None, {})
    asked = Asked(load, None, 0, load_constants())
    one, two = (
        predict(replace(documented(find_model("qwen3-4b"), "bf16", ROWS[row]), tensor_parallel=2), asked)
        for row in ("t4x2", "t4")
    )
    assert (one.rows_used, two.rows_used) == (1, 2)
    assert one.figures is not None
    assert two.figures is not None
    # the pair of cards has the price of two
    assert ROWS["t4x2"].price.usd_per_hour == 2 * ROWS["t4"].price.usd_per_hour
    for figure in ("usd_per_million_output_tokens", "busy_energy_upper_bound_j"):
        ours, theirs = getattr(two.figures, figure), getattr(one.figures, figure)
        seconds = two.figures.outcome.end_s / one.figures.outcome.end_s
        assert math.isclose(ours / theirs, seconds, rel_tol=1e-9)


def test_tables_are_aligned_and_cells_without_a_number_empty():
    assert aligned(("a", "b"), [("long", "1"), ("c", "22")], right=[1]) == [
        "a      b",
        "long   1",
        "c     22",
    ]
    assert csv_text(("x", "y"), [{"x": math.nan}, {"x": 1.5, "y": None}]) == "x,y\n,\n1.5,\n"
    assert json.loads(json_text({"b": [math.inf, 1], "a": (math.nan,)})) == {"a": [None], "b": [None, 1]}
