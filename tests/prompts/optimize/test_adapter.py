"""Our side of gepa by itself."""

from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optimizer_trial import BEST, POOR, trial

from harness.errors import HarnessError
from harness.prompts.evaluate import SAMPLING, evaluate
from harness.prompts.optimize.adapter import COMPONENT, Adapter, Minibatches, WorthValidating
from harness.prompts.optimize.budget import Batch, children_validated
from harness.prompts.optimize.ledger import Ledger
from harness.prompts.optimize.settings import Settings, fingerprint, settled
from harness.prompts.program import TYPED_LIST


class Loader:
    def __init__(self, count: int) -> None:
        self.count = count

    def all_ids(self) -> Sequence[int]:
        return range(self.count)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_minibatches_pass_over_the_examples_evenly(size: int, count: int, seed: int) -> None:
    size = min(size, count)
    sampler, again = Minibatches(size, seed), Minibatches(size, seed)
    drawn = [sampler.next_minibatch_ids(Loader(count), None) for _ in range(3 * count)]
    assert drawn == [again.next_minibatch_ids(Loader(count), None) for _ in range(3 * count)]
    assert all(len(set(each)) == size for each in drawn)
    times = Counter(number for each in drawn for number in each)
    assert set(times.values()) == {3 * size}


def test_one_batch_is_several_instructions_on_their_own_examples() -> None:
    with trial() as made:
        ledger = Ledger()
        adapter = Adapter(TYPED_LIST, made.train, made.task, Settings(10), ledger)
        examples = list(made.train.examples)
        poor, good = {COMPONENT: POOR.instruction}, {COMPONENT: BEST.instruction}
        first, second = adapter.batch_evaluate([(poor, examples[:3]), (good, examples[2:7])])
        alone = adapter.evaluate(examples[:3], poor, capture_traces=True)
        judged = evaluate(BEST, made.train, made.task, sampling=SAMPLING)
    assert ledger.batches == [Batch("task", 8), Batch("task", 3)]
    assert first.scores == alone.scores == [0.0, 0.0, 0.0]
    assert first.trajectories == alone.trajectories
    assert second.scores == [each.f1 for each in judged.scores[2:7]] == [1.0] * 5
    assert second.outputs == list(judged.found[2:7])


def test_reflection_reads_input_answer_and_feedback() -> None:
    with trial() as made:
        adapter = Adapter(TYPED_LIST, made.train, made.task, Settings(10), Ledger())
        example = made.train.examples[0]
        tried = adapter.evaluate([example], {COMPONENT: POOR.instruction}, capture_traces=True)
        records = adapter.make_reflective_dataset({}, tried, [COMPONENT])[COMPONENT]
    (record,) = records
    assert record["Inputs"] == example.text
    assert record["Generated Outputs"] == "[]"
    assert "Missed: " in record["Feedback"]
    assert not any(each.name in record["Feedback"] for each in example.entities)


def test_settled_settings_say_everything_that_decides_the_course() -> None:
    open_settings = Settings(400)
    assert settled(open_settings, 27, 20).proposals == 6
    assert settled(Settings(100), 27, 20).proposals == 1
    assert settled(open_settings, 2, 20).minibatch == 2
    assert settled(Settings(100, proposals=4), 27, 20).proposals == 4
    with trial() as made:
        parts = [
            fingerprint(settled(each, 27, 20), POOR, made.train, made.validation)
            for each in (Settings(400), Settings(700), Settings(400, seed=1), Settings(400, reveal=True))
        ]
    assert parts[0] == parts[1]
    assert {name for name in parts[0] if parts[0][name] != parts[2][name]} == {"seed"}
    assert {name for name in parts[0] if parts[0][name] != parts[3][name]} == {"names revealed"}


@pytest.mark.parametrize("name", ["metric_calls", "minibatch", "proposals", "most_characters"])
def test_settings_that_make_no_run_are_refused(name: str) -> None:
    with pytest.raises(HarnessError, match=name):
        Settings(**{"metric_calls": 100, name: 0})


def proposed(instruction: str, before: float, after: float) -> SimpleNamespace:
    return SimpleNamespace(
        candidate={COMPONENT: instruction},
        parent_program_ids=[0],
        subsample_scores_before=[before, before],
        subsample_scores_after=[after, after],
    )


@given(
    gains=st.lists(st.sampled_from([-0.2, 0.0, 0.1, 0.2, 0.5]), min_size=1, max_size=8),
    minibatch=st.integers(1, 4),
    validation=st.integers(1, 80),
)
def test_the_most_improved_children_are_validated_and_the_rest_is_kept(
    gains: list[float], minibatch: int, validation: int
) -> None:
    ledger = Ledger()
    proposals = [proposed(f"p{number}", 0.3, 0.3 + gain) for number, gain in enumerate(gains)]
    strategy = WorthValidating(Settings(10, minibatch=minibatch), ledger, validation)
    chosen = strategy.select(proposals, None, None)
    most = children_validated(len(gains), minibatch, validation)
    assert len(chosen) == min(most, sum(gain > 0 for gain in gains))
    assert len(chosen) == 1 or len(chosen) * validation <= 2 * minibatch * len(gains) or not chosen
    left_out = [gain for each, gain in zip(proposals, gains, strict=True) if each not in chosen]
    worst = min((gain for each, gain in zip(proposals, gains, strict=True) if each in chosen), default=9.0)
    assert all(gain <= worst for gain in left_out)
    assert len(ledger.rejected) == len(left_out)
    assert {each.candidate[COMPONENT] for each in chosen} == ledger.known
