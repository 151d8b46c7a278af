"""The scheduler on a toy that remembers every sequence's tokens: what is held wrongly changes its answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines.llama_batch import Admission, Job, Logits, News, Run, Scheduler, continuous, static
from harness.engines.text_stream import TextStream

VOCABULARY = 7
END = 6


def next_token(tokens: Sequence[int]) -> int:
    """Depends on every token and its position."""
    return sum((place + 3) * (token + 1) for place, token in enumerate(tokens)) % 11 % VOCABULARY


@dataclass
class ToyCompute:
    parallel: int
    most_tokens: int
    forgets_parts: bool = True
    broken: bool = False
    held: list[list[int]] = field(init=False)
    ran: int = 0
    batches: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.held = [[] for _ in range(self.parallel)]

    def decode(self, runs: Sequence[Run]) -> Logits:
        assert 0 < sum(len(run.tokens) for run in runs) <= self.most_tokens
        rows = []
        for run in runs:
            held = self.held[run.sequence]
            assert run.position == len(held), "a gap or an overlap"
            held.extend(run.tokens)
            self.ran += len(run.tokens)
            if run.wants_logits:
                row = np.zeros(VOCABULARY, np.float32)
                row[next_token(held)] = np.nan if self.broken else 1.0
                rows.append(row)
        self.batches.append([run.sequence for run in runs])
        return np.array(rows, np.float32).reshape(-1, VOCABULARY)

    def forget(self, sequence: int, position: int) -> bool:
        if position and not self.forgets_parts:
            return False
        del self.held[sequence][position:]
        return True

    def copy(self, source: int, target: int, tokens: int) -> None:
        assert not self.held[target]
        assert len(self.held[source]) >= tokens
        self.held[target] = self.held[source][:tokens]


def alone(prompt: list[int], max_tokens: int) -> tuple[list[int], str]:
    tokens = list(prompt)
    for _ in range(max_tokens):
        token = next_token(tokens)
        if token == END:
            return tokens[len(prompt) :], "stop"
        tokens.append(token)
    return tokens[len(prompt) :], "length"


def scheduler(
    compute: ToyCompute, *, prefix_cache: bool = True, admission: Admission = continuous
) -> Scheduler:
    return Scheduler(
        compute,
        lambda token: b"%d" % token,
        parallel=compute.parallel,
        batch_tokens=compute.most_tokens,
        prefix_cache=prefix_cache,
        admission=admission,
    )


def job(number: int, prompt: list[int], max_tokens: int) -> Job:
    return Job(number, prompt, max_tokens, TextStream(), ends=frozenset({END}))


def finish(batches: Scheduler, news: News) -> None:
    for _ in range(5000):
        if batches.idle:
            return
        batches.step(news)
    pytest.fail("it never ends")


# Few beginnings, long enough to be worth sharing, so that prompts often have one in common.
prompts = st.builds(
    lambda head, length, tail: [(head * place) % 5 for place in range(length)] + tail,
    st.integers(1, 2),
    st.integers(0, 40),
    st.lists(st.integers(0, 5), min_size=1, max_size=6),
)


@given(
    wanted=st.lists(st.tuples(prompts, st.integers(1, 12), st.integers(0, 6)), min_size=1, max_size=9),
    stops=st.dictionaries(st.integers(0, 8), st.integers(0, 20), max_size=3),
    parallel=st.integers(1, 4),
    extra_tokens=st.integers(0, 30),
    prefix_cache=st.booleans(),
    forgets_parts=st.booleans(),
    admission=st.sampled_from([continuous, static]),
)
def test_each_job_gets_what_it_gets_alone(
    wanted: list[tuple[list[int], int, int]],
    stops: dict[int, int],
    parallel: int,
    extra_tokens: int,
    prefix_cache: bool,
    forgets_parts: bool,
    admission: Admission,
) -> None:
    compute = ToyCompute(parallel, parallel + extra_tokens, forgets_parts)
    batches = scheduler(compute, prefix_cache=prefix_cache, admission=admission)
    news = News()
    for step in range(21):
        for number, (prompt, max_tokens, arrives) in enumerate(wanted):
            if arrives == step:
                batches.add(job(number, prompt, max_tokens))
        for number, when in stops.items():
            if when == step:
                batches.stop(number, "cancelled", news)
        if step % 5 == 4 and (sequence := batches.borrow()) is not None:
            assert compute.held[sequence] == []
        batches.step(news)
    finish(batches, news)

    ends = {number: (reason, cached) for number, reason, cached in news.ends}
    assert len(news.ends) == len(ends) == len(wanted)
    made = {number: [t for n, _, t in news.pieces if n == number and t is not None] for number in ends}
    for number, (prompt, max_tokens, _) in enumerate(wanted):
        tokens, reason = alone(prompt, max_tokens)
        if ends[number][0] == "cancelled":
            assert made[number] == tokens[: len(made[number])]
        else:
            assert (made[number], ends[number][0]) == (tokens, reason)
        assert 0 <= ends[number][1] < len(prompt)
        assert prefix_cache or ends[number][1] == 0
    if not stops:
        # All of a prompt but what was cached, and every chosen token but the last, ran once. An end token is
        # chosen too, though it is no part of the completion.
        assert compute.ran == sum(
            len(prompt) - ends[number][1] + len(made[number]) - (ends[number][0] == "length")
            for number, (prompt, _, _) in enumerate(wanted)
        )


def test_a_shared_prefix_is_computed_once_even_when_all_come_at_once() -> None:
    compute = ToyCompute(4, 16)
    batches = scheduler(compute)
    prefix = [place % 5 for place in range(40)]
    news = News()
    for number in range(4):
        batches.add(job(number, [*prefix, number], 1))
    finish(batches, news)
    assert sorted(cached for _, _, cached in news.ends) == [0, 40, 40, 40]
    assert compute.ran == 40 + 4


@pytest.mark.parametrize(("length", "cached"), [(15, 0), (16, 16)])
def test_a_prefix_too_short_to_share_is_not_kept_where_it_happens_to_be(length: int, cached: int) -> None:
    batches = scheduler(ToyCompute(1, 64))
    news = News()
    for number, token in enumerate((4, 5)):
        batches.add(job(number, [*range(6), *[0] * (length - 6), token], 1))
        finish(batches, news)
    assert [end[2] for end in news.ends] == [0, cached]


def test_a_static_batch_joins_when_the_one_before_has_ended() -> None:
    compute = ToyCompute(2, 8)
    batches = scheduler(compute, admission=static)
    news = News()
    for number, max_tokens in enumerate((1, 6, 1)):
        batches.add(Job(number, [1, number], max_tokens, TextStream()))
    finish(batches, news)
    assert [number for number, _, _ in news.ends] == [0, 1, 2]
    assert compute.batches == [[0, 1], *[[1]] * 5, [0]]


def test_a_generating_sequence_runs_in_every_step_while_a_long_prompt_is_read() -> None:
    compute = ToyCompute(2, 4)
    batches = scheduler(compute)
    news = News()
    batches.add(Job(0, [1], 9, TextStream()))
    batches.step(news)
    batches.add(Job(1, [2] * 12, 1, TextStream()))
    finish(batches, news)
    assert all(0 in batch for batch in compute.batches[:9])
    assert sum(1 in batch for batch in compute.batches[1:5]) == 4


def test_logits_that_are_no_numbers_fail_the_job_and_free_its_sequence() -> None:
    compute = ToyCompute(1, 8, broken=True)
    batches, news = scheduler(compute), News()
    batches.add(job(0, [1, 2], 3))
    batches.step(news)
    assert news.failures == [(0, "the model's logits are not numbers")]
    compute.broken = False
    batches.add(job(1, [3, 1], 3))
    finish(batches, news)
    assert [number for number, _, _ in news.ends] == [1]


def test_a_grammar_that_allows_no_token_fails_the_job() -> None:
    batches, news = scheduler(ToyCompute(1, 8)), News()
    batches.add(Job(0, [1, 2], 3, TextStream(), choose=lambda logits: None))
    batches.step(news)
    assert [number for number, _ in news.failures] == [0]
    assert batches.idle
