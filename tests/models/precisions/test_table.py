"""The divergence table as data and as text: every figure in its place, in a fixed order, nothing raw."""

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.measure.divergence import judge_divergence
from harness.models.precisions.distances import Distances
from harness.models.precisions.table import (
    COLUMNS,
    PrecisionResult,
    divergence_frame,
    markdown_table,
    ordered,
    terminal_table,
)

RIGHT = np.ones(200)
DISTANCES = Distances(200, 4000, 0.00213, 0.00195, 0.0024, 0.02, 1.5, 0.0125, 0.01, 0.016)


def result(precision, bits, lost=None, **changes):
    """A precision that loses `lost` of 200 right answers, or the reference."""
    lower = np.repeat([0.0, 1.0], [lost or 0, 200 - (lost or 0)])
    return replace(
        PrecisionResult(
            task="entities",
            precision=precision,
            engine="llama.cpp",
            run_by="llama.cpp, 8 at a time",
            n=200,
            size_bytes=int(bits * 2**18),
            bits_per_weight=bits,
            score=float(lower.mean()),
            score_low=0.5,
            score_high=1.0,
            divergence=None if lost is None else judge_divergence(RIGHT, lower),
            distances=None if lost is None else DISTANCES,
            tokens_per_s=1234.4,
        ),
        **changes,
    )


RESULTS = [
    result("Q2_K", 2.6, 50),
    result("Q4_K_M", 4.9, 8),
    PrecisionResult("entities", "NF4", "transformers", error="bitsandbytes is not installed"),
    result("bf16", 16.0),
    result("BF16", 16.0, 0, distances=None, tokens_per_s=math.nan),
    result("Q8_0", 8.5, 1),
]


def test_order_is_from_most_bits_to_fewest_whatever_came_first():
    names = [row.precision for row in ordered(RESULTS)]
    assert names == ["bf16", "BF16", "Q8_0", "Q4_K_M", "Q2_K", "NF4"]
    assert [row.precision for row in ordered(RESULTS[::-1])] == names
    assert ordered([*RESULTS, result("Q8_0", 8.5, 1, task="answers")])[0].task == "answers"


def test_frame_holds_every_figure():
    frame = divergence_frame(RESULTS)
    assert tuple(frame.columns) == COLUMNS
    row = frame.set_index("precision").loc["Q2_K"]
    assert (row["n"], row["bytes"], row["bits_per_weight"]) == (200, int(2.6 * 2**18), 2.6)
    assert (row["score"], row["score_low"], row["score_high"]) == (0.75, 0.5, 1.0)
    assert (row["drop"], row["points"], row["decision"]) == (0.25, 25.0, "fail")
    assert row["drop_low"] < 0.25 < row["drop_high"]
    assert (row["kl_mean"], row["kl_low"], row["kl_high"]) == (0.00213, 0.00195, 0.0024)
    assert (row["kl_p99"], row["kl_max"], row["flips"], row["tokens"]) == (0.02, 1.5, 0.0125, 4000)
    assert (row["flips_low"], row["flips_high"]) == (0.01, 0.016)
    assert (row["provenance"], row["tokens_per_s"], row["run_by"]) == (
        "measured", 1234.4, "llama.cpp, 8 at a time",
    )  # fmt: skip
    assert (row["reference"], row["error"]) == (False, "")


def test_frame_says_what_is_missing():
    frame = divergence_frame(RESULTS).set_index("precision")
    assert frame.loc["bf16", "reference"]
    assert math.isnan(frame.loc["bf16", "drop"])
    assert math.isnan(frame.loc["BF16", "kl_mean"])
    assert math.isnan(frame.loc["BF16", "tokens_per_s"])
    failed = frame.loc["NF4"]
    assert (failed["error"], failed["provenance"]) == ("bitsandbytes is not installed", "")
    assert not failed["reference"]
    assert math.isnan(failed["score"])
    assert math.isnan(failed["bytes"])
    open_one = frame.loc["Q4_K_M"]
    assert (open_one["decision"], open_one["needed"] > 200) == ("inconclusive", True)


def test_empty_table():
    assert list(divergence_frame([]).columns) == list(COLUMNS)
    assert terminal_table([]) == ""


def test_terminal_text():
    lines = terminal_table(RESULTS).splitlines()
    assert lines[0].startswith("entities: divergence against bf16 (llama.cpp); intervals 95 %, KL in nats")
    assert lines[2].split("  ")[0] == "precision"
    table = {line.split()[0]: line for line in lines[3:8]}
    assert list(table) == ["bf16", "BF16", "Q8_0", "Q4_K_M", "Q2_K"]
    assert table["bf16"].split()[-8:] == ["-", "-", "reference", "-", "-", "-", "1,234", "200"]
    assert "0.750 [0.500, 1.000]" in table["Q2_K"]
    assert "666 KiB" in table["Q2_K"]
    assert "25.0 [19" in table["Q2_K"]
    assert "0.0021 [0.0019, 0.0024]" in table["Q2_K"]
    assert table["Q2_K"].split()[-4:] == ["0.020", "1.25", "1,234", "200"]
    assert table["BF16"].split()[-5:] == ["-", "-", "-", "-", "200"]
    assert len({line.rindex("200") for line in table.values()}) == 1


def test_decisions_are_listed_the_stopped_first_and_errors_last():
    lines = [line for line in terminal_table(RESULTS).splitlines() if ": " in line][1:]
    assert [line.split(":")[0] for line in lines] == ["Q2_K", "Q4_K_M", "BF16", "Q8_0", "NF4"]
    assert lines[0].startswith("Q2_K: fail: score 1.000 -> 0.750, drop 25.0 %")
    assert "would decide" in lines[1]
    assert lines[-1] == "NF4: not run: bitsandbytes is not installed"


def test_markdown_is_a_table():
    text = markdown_table(RESULTS)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 5
    assert len({row.count("|") for row in rows}) == 1
    assert rows[1].startswith("|---|---|--:|")
    assert "- NF4: not run: bitsandbytes is not installed" in text


@pytest.mark.parametrize(
    "hostile", ["<img src=x>", "a|b", "`code`", "line\nbreak", "\x1b[31mred", "\u202eback"]
)
def test_names_and_reasons_are_shown_literally(hostile):
    results = [
        result(hostile, 4.0, 3, engine=hostile, task=hostile),
        PrecisionResult(hostile, "x", "y", error=hostile),
    ]
    text = markdown_table(results)
    assert hostile not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 3
    assert len({row.replace("\\|", "").count("|") for row in rows}) == 1
    shown = terminal_table(results)
    assert not set("\x1b\u202e") & set(shown)
    assert len(shown.splitlines()) == 7
