"""The model: where answers come from, that none is lost or paid for twice, and what a failure says."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_engine import FakeEngine, chat, said, text_of
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.calls.cache import ResponseCache
from harness.calls.identity import Identity
from harness.calls.journal import Journal, read_journal
from harness.calls.model import Model
from harness.calls.tally import Tally
from harness.engines.protocol import EngineFailure
from harness.errors import EXIT_INFRASTRUCTURE, HarnessError

IDENTITY = Identity("m", "fake 1")
TEXTS = [f"t{number}" for number in range(8)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.jsonl"


def texts(answers):
    return [answer.text for answer in answers]


def test_answers_come_in_the_order_of_the_requests(path):
    third = threading.Event()

    def say(request, nth):
        if text_of(request) == "t0":
            third.wait(30)
        if text_of(request) == "t2":
            third.set()
        return said(f"to {text_of(request)}")

    answers = Model(FakeEngine(say), IDENTITY, role="task", threads=3).answers([chat(text) for text in TEXTS])
    assert texts(answers) == [f"to {text}" for text in TEXTS]
    assert {answer.source for answer in answers} == {"engine"}


def test_no_more_than_threads_are_open_however_many_ask():
    engine = FakeEngine()
    model = Model(engine, IDENTITY, role="task", threads=3)
    with ThreadPoolExecutor(4) as callers:
        batches = [[chat(f"{caller} {text}") for text in TEXTS] for caller in range(4)]
        answers = list(callers.map(model.answers, batches))
    assert [texts(each) for each in answers] == [[f"to {n} {text}" for text in TEXTS] for n in range(4)]
    assert 1 <= engine.most_open <= 3
    assert model.tally.counts("task").answered == 32


def test_all_threads_are_used():
    together = threading.Barrier(4)

    def say(request, _nth):
        together.wait(30)
        return said("a")

    engine = FakeEngine(say)
    Model(engine, IDENTITY, role="task", threads=4).answers([chat(text) for text in TEXTS])
    assert engine.most_open == 4


def test_an_answer_is_in_the_journal_while_others_are_open(path):
    release = threading.Event()

    def say(request, _nth):
        if text_of(request) == "t0":
            release.wait(30)
        return said("a")

    with Journal(path, {}) as journal:
        model = Model(FakeEngine(say), IDENTITY, role="task", threads=2, journal=journal)
        with ThreadPoolExecutor(1) as caller:
            answers = caller.submit(model.answers, [chat("t0"), chat("t1")])
            while not read_journal(path).answers:
                assert not answers.done()
            release.set()
            assert texts(answers.result()) == ["a", "a"]
    assert len(read_journal(path).answers) == 2


# resuming


class Server:
    """Answers greedy requests by their text, others by how often they were asked; fails at some calls."""

    def __init__(self, failing):
        self.calls = 0
        self.right = Counter()
        self.failing = set(failing)
        self.lock = threading.Lock()

    def say(self, request, _nth):
        with self.lock:
            self.calls += 1
            if self.calls in self.failing:
                raise EngineFailure("out of order")
            self.right[request] += 1
            draw = self.right[request] if request.sampling.temperature else 0
        return said(f"{text_of(request)} {draw}")


REQUESTS = st.builds(chat, st.sampled_from(TEXTS[:4]), temperature=st.sampled_from([0.0, 0.7]))


@settings(max_examples=50, deadline=None)
@given(
    batches=st.lists(st.lists(REQUESTS, max_size=6), min_size=1, max_size=4),
    failing=st.sets(st.integers(1, 24), max_size=5),
    threads=st.integers(1, 4),
    cached=st.booleans(),
)
def test_a_run_that_fails_again_and_again_pays_for_no_answer_twice(
    tmp_path_factory, batches, failing, threads, cached
):
    folder = tmp_path_factory.mktemp("run")
    server = Server(failing)
    requests = [request for batch in batches for request in batch]

    def run(engine):
        tally, cache = Tally(), ResponseCache(folder / "cache") if cached else None
        with Journal(folder / "run.jsonl", {}) as journal:
            model = Model(
                engine, IDENTITY, role="task", threads=threads, cache=cache, journal=journal, tally=tally
            )
            try:
                return (
                    [texts(model.answers(batch)) for batch in batches],
                    tally.counts("task"),
                    journal.left(),
                )
            finally:
                engine.close()

    for _ in range(len(failing) + 1):
        try:
            found, counts, left = run(FakeEngine(server.say))
            break
        except EngineFailure:
            continue
    else:
        raise AssertionError("more failures than were planned")
    greedy = [request for request in requests if not request.sampling.temperature]
    drawn = len(requests) - len(greedy)
    assert server.right.total() == drawn + (len(set(greedy)) if cached else len(greedy))
    assert counts.answered + counts.cache_hits + counts.journal_hits == len(requests)
    assert left == 0

    again, counts, left = run(FakeEngine(server.say))
    assert again == found
    assert (counts.calls, counts.journal_hits, left) == (0, len(requests), 0)


def test_another_order_of_the_run_is_seen(path):
    with Journal(path, {}) as journal:
        Model(FakeEngine(), IDENTITY, role="task", journal=journal).answers([chat("a"), chat("b")])
    with Journal(path, {}) as journal:
        Model(FakeEngine(), IDENTITY, role="task", journal=journal).answers([chat("a"), chat("c")])
        assert journal.left() == 1


def test_roles_and_identities_share_no_journal_entries(path):
    engine = FakeEngine()
    with Journal(path, {}) as journal:
        for role, identity in [
            ("task", IDENTITY),
            ("reflection", IDENTITY),
            ("task", Identity("n", "fake 1")),
        ]:
            Model(engine, identity, role=role, journal=journal).answers([chat("a")])
    assert len(engine.asked) == 3


def test_equal_requests_of_one_batch_are_asked_once_with_a_cache(tmp_path):
    engine = FakeEngine()
    model = Model(engine, IDENTITY, role="task", threads=4, cache=ResponseCache(tmp_path))
    answers = model.answers([chat("a"), chat("a"), chat("b"), chat("a")])
    assert [answer.source for answer in answers] == ["engine", "cache", "engine", "cache"]
    assert model.answers([chat("a")])[0].source == "cache"
    assert (len(engine.asked), model.tally.counts("task").cache_hits) == (2, 3)


def test_the_journal_alone_gives_the_run_again_without_its_cache(tmp_path, path):
    requests = [chat("a"), chat("a")]
    with Journal(path, {}) as journal:
        cache = ResponseCache(tmp_path / "cache")
        Model(FakeEngine(), IDENTITY, role="task", cache=cache, journal=journal).answers(requests)
    with Journal(path, {}) as journal:
        engine, cache = FakeEngine(), ResponseCache(tmp_path / "another")
        model = Model(engine, IDENTITY, role="task", cache=cache, journal=journal)
        assert [answer.source for answer in model.answers(requests)] == ["journal", "journal"]
        # its answers are in the new cache too
        assert model.answers([chat("a")])[0].source == "cache"
    assert engine.asked == []


# failures


def fails_at(*numbers, error=None):
    def say(request, nth):
        if nth in numbers:
            raise error or EngineFailure("out of order", retryable=True)
        return said(f"to {text_of(request)}")

    return FakeEngine(say)


def test_a_failure_says_what_happened_what_is_kept_and_how_to_go_on(path):
    engine = fails_at(5)
    with Journal(path, {}) as journal, pytest.raises(EngineFailure) as failure:
        Model(engine, IDENTITY, role="task", journal=journal).answers([chat(text) for text in TEXTS])
    assert str(failure.value) == (
        f"task model: out of order; 4 answers are kept in {path}; "
        "the same command goes on there and asks for none of them again"
    )
    assert failure.value.retryable
    assert len(engine.asked) == 5
    contents = read_journal(path)
    assert len(contents.answers) == 4
    assert contents.notes[-1] == {
        "kind": "stopped", "role": "task", "failed": 1, "of": 8, "what": "out of order",
    }  # fmt: skip


def test_what_is_open_when_a_call_fails_ends_and_is_kept(path):
    failed = threading.Event()

    def say(request, nth):
        if nth == 1:
            failed.set()
            raise EngineFailure("out of order")
        failed.wait(30)
        return said("a")

    engine = FakeEngine(say)
    with Journal(path, {}) as journal, pytest.raises(EngineFailure):
        Model(engine, IDENTITY, role="task", threads=3, journal=journal).answers([chat(t) for t in TEXTS])
    assert len(read_journal(path).answers) == len(engine.asked) - 1
    assert len(engine.asked) < len(TEXTS)


def test_several_failures_are_one(path):
    together = threading.Barrier(3)

    def say(request, _nth):
        together.wait(30)
        raise EngineFailure(f"no {text_of(request)}")

    model = Model(FakeEngine(say), IDENTITY, role="reflection", threads=3)
    with pytest.raises(EngineFailure) as failure:
        model.answers([chat(text) for text in TEXTS[:3]])
    assert str(failure.value) == (
        "reflection model: 3 of 3 calls failed, the first: no t0; no journal keeps the answers so far"
    )


def test_what_the_user_can_mend_stays_an_error_of_the_users(path):
    error = HarnessError("too long", where="here", allowed="less", next_step="shorten it")
    with Journal(path, {}) as journal, pytest.raises(HarnessError) as raised:
        Model(fails_at(2, error=error), IDENTITY, role="task", journal=journal).answers(
            [chat("a"), chat("b")]
        )
    assert raised.value.message.startswith(
        "here: task model: too long (allowed: less); shorten it; 1 answers"
    )
    assert len(read_journal(path).answers) == 1


def test_a_request_that_is_refused_at_once_ends_the_batch(path):
    engine = FakeEngine()
    submit = engine.submit

    def refusing(request):
        if text_of(request) == "t2":
            raise HarnessError("too long")
        return submit(request)

    engine.submit = refusing
    tally = Tally()
    with Journal(path, {}) as journal:
        model = Model(engine, IDENTITY, role="task", threads=2, journal=journal, tally=tally)
        with pytest.raises(HarnessError, match="too long"):
            model.answers([chat(text) for text in TEXTS])
        assert texts(model.answers([chat("t5")])) == ["to t5"]
    assert len(read_journal(path).answers) == 3
    assert tally.counts("task").calls == 3


def test_a_mistake_in_an_engine_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        Model(fails_at(1, error=ZeroDivisionError()), IDENTITY, role="task").answers([chat("a")])


def test_a_time_out_is_a_failure_and_no_answer(path):
    engine = FakeEngine(lambda request, nth: said("half an ans", "timeout"))
    request = chat("a")
    tally = Tally()
    with Journal(path, {}) as journal, pytest.raises(EngineFailure, match="no whole answer within 2 s"):
        Model(engine, IDENTITY, role="task", journal=journal, tally=tally).answers(
            [type(request)(request.prompt, request.sampling, 2.0)]
        )
    assert read_journal(path).answers == {}
    counts = tally.counts("task")
    assert (counts.calls, counts.timeouts, counts.answered, counts.completion_tokens) == (1, 1, 0, 0)


def test_an_interrupt_cancels_what_is_open_and_keeps_what_is_complete(path):
    engine = FakeEngine(lambda request, nth: said("a") if nth == 1 else None)
    submit = engine.submit

    def interrupted(request):
        if text_of(request) == "t2":
            while not read_journal(path).answers:
                pass
            raise KeyboardInterrupt
        return submit(request)

    engine.submit = interrupted
    tally = Tally()
    with Journal(path, {}) as journal, pytest.raises(KeyboardInterrupt):
        Model(engine, IDENTITY, role="task", threads=3, journal=journal, tally=tally).answers(
            [chat(text) for text in TEXTS]
        )
    assert len(read_journal(path).answers) == 1
    counts = tally.counts("task")
    assert (counts.calls, counts.answered, counts.cancelled) == (2, 1, 1)


# answers that are cut


def length(tokens):
    """An engine whose whole answer has so many tokens, its prompts 4."""

    def say(request, _nth):
        made = min(tokens, request.sampling.max_tokens)
        return said(f"{made} tokens", "stop" if made == tokens else "length", 4, made)

    return FakeEngine(say)


@settings(deadline=None)
@given(tokens=st.integers(1, 150), limit=st.integers(1, 120), context=st.integers(6, 100))
def test_a_cut_answer_is_asked_for_again_up_to_the_context(tokens, limit, context):
    engine = length(tokens)
    engine.context_tokens = context
    model = Model(engine, IDENTITY, role="task")
    (answer,) = model.answers([chat("a", max_tokens=limit)])
    engine.close()
    limits = [request.sampling.max_tokens for request in engine.asked]
    room = context - 4
    assert limits == [limit, *[min(2 * each, room) for each in limits[:-1]]]
    counts = model.tally.counts("task")
    assert answer.completion_tokens == min(tokens, max(limit, room))
    assert answer.is_cut == (tokens > max(limit, room))
    assert (counts.filled, counts.cut) == (int(answer.is_cut), len(limits) - 1)
    assert counts.completion_tokens == sum(min(tokens, each) for each in limits)


def test_only_what_was_cut_is_asked_for_again():
    engine = FakeEngine(
        lambda request, nth: said("x", "length" if text_of(request) == "t1" and nth <= 3 else "stop")
    )
    answers = Model(engine, IDENTITY, role="task").answers([chat(t, max_tokens=2) for t in TEXTS[:3]])
    assert [(text_of(request), request.sampling.max_tokens) for request in engine.asked] == [
        ("t0", 2), ("t1", 2), ("t2", 2), ("t1", 4),
    ]  # fmt: skip
    assert not any(answer.is_cut for answer in answers)


def test_answers_that_go_on_to_their_limit_by_wish_are_not_cut():
    engine = length(50)
    (answer,) = Model(engine, IDENTITY, role="task").answers([chat("a", max_tokens=5, ignore_eos=True)])
    assert (answer.completion_tokens, len(engine.asked)) == (5, 1)


def test_a_cut_answer_is_final_where_its_caller_says_so(tmp_path, path):
    engine, cache = length(50), ResponseCache(tmp_path / "cache")
    requests = [chat("a", max_tokens=5), chat("b", max_tokens=60)]
    with Journal(path, {}) as journal:
        model = Model(engine, IDENTITY, role="task", journal=journal, cache=cache)
        answers = model.answers(requests, cut_is_final=True)
        assert [(answer.completion_tokens, answer.is_cut) for answer in answers] == [(5, True), (50, False)]
        counts = model.tally.counts("task")
        assert (len(engine.asked), counts.cut, counts.filled) == (2, 0, 0)
    # kept like any other answer, and the beginning of the longer one where that is wanted later
    with Journal(path, {}) as journal:
        model = Model(engine, IDENTITY, role="task", journal=journal)
        assert [answer.source for answer in model.answers(requests, cut_is_final=True)] == ["journal"] * 2
    model = Model(engine, IDENTITY, role="task", cache=cache)
    assert [answer.completion_tokens for answer in model.answers(requests)] == [50, 50]
    assert [request.sampling.max_tokens for request in engine.asked] == [5, 60, 10, 20, 40, 80]


def test_a_context_that_no_one_tells_stops_the_run_and_keeps_the_answer(path):
    class Silent(FakeEngine):
        @property
        def context_tokens(self):
            raise HarnessError(
                "the server does not say how long its context is", next_step="give context_tokens"
            )

        @context_tokens.setter
        def context_tokens(self, value):
            pass

    engine = Silent(length(50)._say)
    with Journal(path, {}) as journal, pytest.raises(HarnessError, match="give context_tokens; 1 answers"):
        Model(engine, IDENTITY, role="task", journal=journal).answers([chat("a", max_tokens=5)])
    with Journal(path, {}) as journal:
        engine = length(50)
        Model(engine, IDENTITY, role="task", journal=journal).answers([chat("a", max_tokens=5)])
    assert [request.sampling.max_tokens for request in engine.asked] == [10, 20, 40, 80]


def test_a_server_that_cuts_answers_itself_gives_none(tmp_path, path):
    engine = FakeEngine(lambda request, nth: said("x", "length", 4, 10))
    cache = ResponseCache(tmp_path / "cache")
    with Journal(path, {}) as journal, pytest.raises(HarnessError, match="cuts an answer at 10") as error:
        Model(engine, IDENTITY, role="task", journal=journal, cache=cache).answers([chat("a", max_tokens=20)])
    assert error.value.exit_code == EXIT_INFRASTRUCTURE
    assert read_journal(path).answers == {}
    assert list((tmp_path / "cache").rglob("*.json")) == []


# settings


def test_no_request_is_no_call(path):
    with Journal(path, {}) as journal:
        assert Model(FakeEngine(), IDENTITY, role="task", journal=journal).answers([]) == []


def test_threads_are_at_least_one():
    with pytest.raises(HarnessError, match="threads is 0"):
        Model(FakeEngine(), IDENTITY, role="task", threads=0)
