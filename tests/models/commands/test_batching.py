"""`harness models batching`: its engines on a small model, and its table as text."""

import argparse
import csv
import io

import pytest

from harness.engines.batching_table import BatchingTable, Estimate, Gain, Throughput, measure_batching
from harness.engines.workloads import text_requests
from harness.errors import HarnessError
from harness.models.batching.engines import contenders
from harness.models.batching.report import csv_table, markdown_table, terminal_table
from harness.models.commands import batching as batching_command

TABLE = BatchingTable(
    rows=tuple(
        Throughput(
            "f", "slots | a", "continuous", n, (1.0,) * 5, Estimate(1234.4 * n, 1200.0 * n, 1300.0 * n)
        )
        for n in (1, 16)
    ),
    gains=(Gain("f", "slots | a", "slots | a", Estimate(15.5, 14.9, 16.0)),),
    missing={"vllm server": "it is not installed\nat all"},
    repeats=5,
)


def test_the_table_on_the_terminal():
    assert terminal_table(TABLE).splitlines() == [
        "tokens/s by requests at once: medians with 95 % intervals of 5 interleaved repeats, measured here",
        "",
        "engine                        1                       16",
        "slots | a  1,234 [1,200, 1,300]  19,750 [19,200, 20,800]",
        "",
        "slots | a at 16: 15.50 [14.90, 16.00] times slots | a at 1",
        "vllm server: not run: it is not installed at all",
    ]


def test_markdown_shows_names_literally():
    text = markdown_table(TABLE)
    assert "\n| slots \\| a | 1,234 [1,200, 1,300] | 19,750 [19,200, 20,800] |\n" in text
    assert text.count("\n- ") == 2


def test_csv_has_a_line_for_each_engine_and_concurrency():
    rows = list(csv.DictReader(io.StringIO(csv_table(TABLE))))
    assert [(row["engine"], row["concurrency"], row["high"]) for row in rows] == [
        ("slots | a", "1", "1300"),
        ("slots | a", "16", "20800"),
    ]
    assert {row["provenance"] for row in rows} == {"measured"}


def test_the_engines_of_this_machine_measure_a_small_model(tiny_model):
    wanted = ("transformers padded", "transformers slots", "llama_cpp Q4_K_M continuous")
    chosen = [each for each in contenders(tiny_model, 4) if each.name in wanted]
    table = measure_batching(
        chosen, lambda count, seed: text_requests(count, 4, 3, seed=seed), concurrencies=(1, 4)
    )
    assert table.missing == {}
    assert [(row.name, row.concurrency) for row in table.rows] == [(n, c) for n in wanted for c in (1, 4)]
    assert all(sample > 0 for row in table.rows for sample in row.samples)


def test_every_way_of_batching_is_among_the_engines(tiny_model):
    found = contenders(tiny_model, 32)
    assert len({each.name for each in found}) == len(found) == 15
    assert {each.batching for each in found if each.family == "transformers"} == {
        "sequential", "static", "continuous",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"), [(["--engines", "nothing*"], "no engine"), (["--tokens", "0"], "--tokens")]
)
def test_mistakes_are_said_before_anything_starts(tiny_model, words, message):
    parser = argparse.ArgumentParser()
    batching_command.add_options(parser)
    options = parser.parse_args([str(tiny_model), *words])
    with pytest.raises(HarnessError, match=message):
        options.run(options)
