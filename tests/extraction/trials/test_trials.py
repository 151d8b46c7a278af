"""What the benchmarks of extraction compare."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.documented.settings import PRESETS
from harness.extraction.pipeline.settings import Settings
from harness.extraction.retrieval.trials import zipf_trial
from harness.extraction.trials.backends import OURS, other_chunks, top_chunks
from harness.extraction.trials.companies import Setting, coverage_lost, documented, ours, truths
from harness.extraction.trials.confidences import expected_error, fitted, judged
from harness.extraction.trials.pareto import DOCUMENTED, dominated, table, trial
from harness.extraction.trials.traces import folder, prompts, with_traces, without_traces

SMALL = Setting(family="report", count=2, tokens=9_000)


def test_outcomes_are_of_a_mean_company():
    before, after = documented(PRESETS["unlimited"], SMALL), ours(Settings(), SMALL)
    assert len(before.by_company) == len(truths(SMALL)) == 2
    assert after.calls_of("detection", "window") == after.calls
    assert sum(lengths.count for wave in after.waves() for lengths in wave) == 2 * after.calls
    assert after.calls < before.calls
    assert 0.0 <= before.coverage <= after.coverage <= 1.0
    assert np.mean(coverage_lost(before, after)) <= 0.0
    assert before.minutes > after.minutes > 0.0


def test_a_noisy_reader_finds_less():
    assert ours(Settings(), Setting("noisy", "report", 2, 9_000)).coverage < ours(Settings(), SMALL).coverage


def test_backends_agree_with_themselves():
    trial = zipf_trial(40, 50, queries=4, seed=1)
    first = top_chunks(OURS(trial.chunks), trial.queries)
    assert other_chunks(first, first) == [0.0] * 4
    assert other_chunks([[1, 2], [3]], [[1, 5], [4]]) == [0.5, 1.0]


def test_traces_are_written_or_not():
    calls = prompts(3)
    with folder() as path:
        assert len(with_traces(path, calls)) == len(list(path.iterdir())) == 3
        assert without_traces(path, calls) == []
    assert not path.exists()


def test_the_embedded_model_answers_in_batches():
    embedded = pytest.importorskip("harness.extraction.trials.embedded")
    pytest.importorskip("llama_cpp")
    asked = embedded.asks(1)
    with embedded.open_embedded(2) as reader:
        (reply,) = embedded.answered(asked, reader)
    assert reply.calls > 1
    assert embedded.other_answers([reply], [reply]) == [0.0]


def test_a_table_fitted_to_a_reader_judges_it_better_than_its_raw_scores():
    there = Setting("noisy", "tuning", 6, 9_000, seed=3)
    here = Setting("noisy", "report", 6, 9_000)
    table = fitted(there)
    assert "noisy" in table.origin
    assert "seed 3" in table.origin
    assert expected_error(judged(here, table)) < expected_error(judged(here))
    assert len(judged(here, table)) == len(judged(here))


POINTS = st.dictionaries(
    st.text("abc", min_size=1, max_size=2), st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1
)


@given(POINTS)
def test_whoever_nobody_dominates_is_the_front(points):
    beaten = dominated(points)
    for name, (cost, gain) in points.items():
        better = [
            other for other, (c, g) in points.items() if (c <= cost and g > gain) or (c < cost and g >= gain)
        ]
        assert beaten[name] == tuple(better)
    assert any(not others for others in beaten.values())


def test_a_trial_compares_every_preset_with_capped():
    lines = trial(SMALL, budgets=(20,))
    by_name = {line.name: line for line in lines}
    assert set(by_name) == {*DOCUMENTED, "ours, 20 calls"}
    assert by_name["capped"].gain.value == 0.0
    assert by_name["unlimited"].dominated_by
    assert by_name["ours, 20 calls"].coverage.low <= by_name["ours, 20 calls"].coverage.value
    assert len(table(lines).rows) == len(lines)
