"""The accounts: exact, by role, and the same as what went over the wire."""

import json
from collections import Counter

import pytest
from call_faults import requests_of
from counting_server import counting_server
from fake_engine import FakeEngine, chat, said
from scripted_server import chat_reply, reply

from harness.calls.answer import Answer
from harness.calls.cache import ResponseCache
from harness.calls.identity import Identity
from harness.calls.journal import Journal
from harness.calls.model import Model
from harness.calls.opening import Remote, opened
from harness.calls.price import Price
from harness.calls.tally import Counts, Tally
from harness.engines.protocol import EngineFailure
from harness.engines.transport import Limits

IDENTITY = Identity("m", "fake 1")
PRICE = Price(usd_per_million_input=2.0, usd_per_million_output=10.0)
LIMITS = Limits(tries=3, first_delay_s=0.0, longest_delay_s=0.0)


def test_a_run_with_cache_and_journal_in_numbers(tmp_path):
    for folder, expected in [
        ("first", Counts(
            calls=2, answered=2, cache_hits=1, prompt_tokens=8, completion_tokens=4,
            usd=pytest.approx((8 * 2 + 4 * 10) / 1e6),
        )),
        ("second", Counts(
            journal_hits=3, earlier_calls=2, earlier_prompt_tokens=8, earlier_completion_tokens=4,
            earlier_usd=pytest.approx((8 * 2 + 4 * 10) / 1e6),
        )),
    ]:  # fmt: skip
        tally = Tally(clock=lambda: 0.0)
        cache = ResponseCache(tmp_path / folder)
        with Journal(tmp_path / "run.jsonl", {}) as journal:
            model = Model(
                FakeEngine(), IDENTITY, role="task", cache=cache, journal=journal, tally=tally, price=PRICE
            )
            model.answers([chat("a"), chat("a"), chat("b")])
        assert tally.counts("task") == tally.total() == expected
        assert tally.counts("reflection") == Counts()


def test_hours_are_paid_while_a_call_is_open():
    now = [0.0]
    tally = Tally(clock=lambda: now[0])
    account = tally.account("task", FakeEngine(), Price(usd_per_hour=3600.0))
    for step in ("opened", "opened", "closed", "idle", "closed", "idle", "opened", "closed"):
        if step != "idle":
            getattr(account, step)()
        now[0] += 1.0
    counts = tally.counts("task")
    assert (counts.busy_s, counts.usd, counts.calls) == (5.0, 5.0, 3)


@pytest.fixture
def server():
    with counting_server() as server:
        yield server


def test_what_went_over_the_wire_agrees(server, tmp_path):
    server.fault = lambda text, nth: reply(503, b"") if text == "entry 1" and nth <= 2 else None
    tally, texts = Tally(), tuple(f"entry {number}" for number in range(6))
    with opened(Remote(server.url, "m", limits=LIMITS, price=PRICE), 3) as one:
        one.model("task", tally=tally).answers(requests_of(texts))
        counts, document = tally.counts("task"), tally.document()
    assert (counts.calls, counts.answered, counts.failures, counts.retries) == (6, 6, 0, 2)
    assert (counts.prompt_tokens, counts.completion_tokens) == (18, 18)
    assert counts.usd == pytest.approx(18 * 12 / 1e6)
    assert server.asked == Counter({text: 3 if text == "entry 1" else 1 for text in texts})
    assert tally.disagreements() == []
    (wire,) = document["transports"]
    assert wire["by_status"] == {"200": 6, "503": 2}
    assert (wire["requests"], wire["prompt_tokens"], wire["roles"]) == (6, 18, ["task"])
    assert json.loads(json.dumps(document)) == document


def test_tokens_that_are_in_no_answer_are_paid_for_too(server):
    server.fault = lambda text, nth: reply(200, chat_reply("a", "content_filter"))
    tally = Tally()
    one_at_a_time = opened(Remote(server.url, "m", limits=LIMITS, price=PRICE), 1)
    with one_at_a_time as one, pytest.raises(EngineFailure, match="content_filter"):
        one.model("task", tally=tally).answers(requests_of(("a",)))
    counts = tally.counts("task")
    assert (counts.failures, counts.answered, counts.prompt_tokens) == (1, 0, 0)
    assert (counts.lost_prompt_tokens, counts.lost_completion_tokens) == (7, 3)
    assert counts.usd == pytest.approx((7 * 2 + 3 * 10) / 1e6)
    assert tally.disagreements() == []


def test_two_roles_on_one_engine_share_its_wire(server):
    server.fault = lambda text, nth: reply(503, b"") if nth == 1 else None
    tally = Tally()
    with opened(Remote(server.url, "m", limits=LIMITS), 1) as one:
        task, reflection = one.model("task", tally=tally), one.model("reflection", tally=tally)
        task.answers(requests_of(("a", "b")))
        reflection.answers(requests_of(("c",)))
    assert (tally.counts("task").answered, tally.counts("reflection").answered) == (2, 1)
    assert (tally.counts("task").retries, tally.total().retries) == (0, 3)
    assert tally.document()["transports"][0]["roles"] == ["reflection", "task"]
    assert tally.disagreements() == []


def test_what_an_engine_did_before_is_no_part_of_a_run(server):
    with opened(Remote(server.url, "m", limits=LIMITS), 1) as one:
        one.model("task").answers(requests_of(("a", "b")))
        tally = Tally()
        one.model("task", tally=tally).answers(requests_of(("c",)))
    assert tally.document()["transports"][0]["requests"] == 1
    assert tally.disagreements() == []


def test_a_difference_is_told(server):
    tally = Tally()
    with opened(Remote(server.url, "m", limits=LIMITS), 1) as one:
        account = tally.account("task", one.engine)
        account.opened()
        account.closed()
        account.add(failures=1)
        account.answered(Answer("a", 5, 5, "stop", "engine", 0.1))
    told = "\n".join(tally.disagreements())
    assert "1 failed calls, 0 at the transport" in told
    assert "more calls than requests" in told
    assert "more tokens than the transport saw" in told


def test_cached_tokens_of_answers_are_counted():
    tally = Tally()
    engine = FakeEngine(lambda request, nth: said("a", prompt_tokens=9))
    Model(engine, IDENTITY, role="reflection", tally=tally).answers([chat("a")])
    assert tally.total().prompt_tokens == 9
    assert list(tally.document()["roles"]) == ["reflection"]
    assert tally.document()["transports"] == []
