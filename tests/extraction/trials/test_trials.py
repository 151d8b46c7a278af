"""What the benchmarks of extraction compare."""

import numpy as np
import pytest

from harness.extraction.documented.settings import PRESETS
from harness.extraction.pipeline.settings import Settings
from harness.extraction.retrieval.trials import zipf_trial
from harness.extraction.trials.backends import OURS, other_chunks, top_chunks
from harness.extraction.trials.companies import Setting, coverage_lost, documented, ours, truths
from harness.extraction.trials.traces import folder, prompts, with_traces, without_traces

SMALL = Setting(family="report", count=2, tokens=9_000)


def test_outcomes_are_of_a_mean_company():
    before, after = documented(PRESETS["unlimited"], SMALL), ours(Settings(), SMALL)
    assert len(before.by_company) == len(truths(SMALL)) == 2
    assert sum(calls for _, calls in after.stage_calls) == after.calls
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
