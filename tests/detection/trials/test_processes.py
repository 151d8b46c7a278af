"""Several processes score what one does, in order; a worker that fails names the sample and never hangs."""

import os
import signal
from dataclasses import replace

import pytest

from harness.detection.trials.caching import furthest_scores
from harness.detection.trials.dynamic_batching import between
from harness.detection.trials.passes import OURS, ready
from harness.detection.trials.processes import Pool, Worker, loading_of
from harness.errors import HarnessError
from harness.models.embedded import model_folder

pytest.importorskip("transformers")
FOLDER = model_folder("answers")


@pytest.fixture(scope="module")
def samples():
    return between(1, 9, 100, 400, 1024)


def test_order_and_scores_are_those_of_one_process(samples):
    with Pool([Worker(FOLDER), Worker(FOLDER)]) as pool:
        found = pool.score(samples)
        assert [len(each.parametric) for each in found] == [sample.response for sample in samples]
        assert furthest_scores(ready(maps=False).run(OURS, samples), found) < 1e-4
        again = pool.score(samples[::-1])
        assert furthest_scores(found, again[::-1]) < 1e-4
        assert pool.score([]) == []


def test_a_sample_that_cannot_be_scored_is_named(samples):
    wrong = replace(samples[4], id="beyond the vocabulary", tokens=(5000, *samples[4].tokens[1:]))
    with Pool([Worker(FOLDER)]) as pool:
        with pytest.raises(
            HarnessError, match=r"worker 0 failed at sample beyond the vocabulary: IndexError"
        ):
            pool.score([*samples[:4], wrong])
        with pytest.raises(HarnessError, match="stopped"):
            pool.score(samples)


def test_a_worker_that_dies_names_its_samples(samples):
    with Pool([Worker(FOLDER)]) as pool:
        os.kill(pool._running[0].process.pid, signal.SIGKILL)
        with pytest.raises(HarnessError, match=r"worker 0 died at (one of samples|sample) .*exit code -9"):
            pool.score(samples)


def test_a_worker_that_does_not_answer_is_an_error(samples):
    with Pool([Worker(FOLDER)], answer_s=1.0) as pool:
        os.kill(pool._running[0].process.pid, signal.SIGSTOP)
        with pytest.raises(HarnessError, match="worker 0 gave no answer in time at"):
            pool.score(samples)


def test_a_worker_that_cannot_load_is_an_error(tmp_path):
    with pytest.raises(HarnessError, match="worker 0 failed while it started"):
        Pool([Worker(tmp_path)])


def test_cards_decide_how_a_worker_loads():
    assert loading_of(Worker(FOLDER)).device == "cpu"
    one, both = loading_of(Worker(FOLDER, cards="1")), loading_of(Worker(FOLDER, cards="0,1"))
    assert (one.nf4, one.device_map, both.device_map) == (True, None, "balanced")
