"""What is written once for all engines: tickets, and the ways to ask and to give up."""

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing

import pytest

from harness.engines.protocol import (
    Capability,
    Completion,
    EngineFailure,
    Forward,
    Piece,
    Request,
    Ticket,
    Timings,
    agenerate,
    astream,
    generate,
    stream,
)
from harness.errors import HarnessError


def completion(text: str) -> Completion:
    return Completion(text, (1,), 1, 1, "stop", Timings(0.0, 0.0))


class Scripted:
    """Each request gets the piece "a" and then "ends", "hangs" or "fails", or it is "refused" at once."""

    name = "scripted"
    lacks: Mapping[Capability, str] = {}
    context_tokens = 8

    def __init__(self, *script: str) -> None:
        self.script = list(script)
        self.tickets: list[Ticket] = []

    def submit(self, request: Request) -> Ticket:
        what = self.script[len(self.tickets)]
        if what == "refused":
            raise HarnessError("too long")
        ticket = Ticket(request)
        self.tickets.append(ticket)
        ticket.put(Piece("a", (1,)))
        if what == "ends":
            ticket.finish(completion(f"a{len(self.tickets)}"))
        elif what == "fails":
            ticket.fail(EngineFailure("out of memory"))
        return ticket

    def tokenize(self, text: str) -> list[int]:
        raise NotImplementedError

    def forward(
        self, token_ids: Sequence[int], wants: frozenset[Capability], rows: Sequence[int] = ()
    ) -> Forward:
        raise NotImplementedError

    def close(self) -> None:
        pass


def agenerated(engine: Scripted, requests: Sequence[Request]) -> list[Completion]:
    return asyncio.run(agenerate(engine, requests))


both = pytest.mark.parametrize("ask", [generate, agenerated])


@both
def test_completions_come_in_the_order_of_the_requests(ask):
    found = ask(Scripted("ends", "ends"), [Request("x"), Request("y")])
    assert [each.text for each in found] == ["a1", "a2"]


@both
def test_a_refused_request_cancels_those_before_it(ask):
    engine = Scripted("hangs", "refused")
    with pytest.raises(HarnessError, match="too long"):
        ask(engine, [Request("x"), Request("y")])
    assert [ticket.stop_reason for ticket in engine.tickets] == ["cancelled"]


@both
def test_a_failure_cancels_those_after_it(ask):
    engine = Scripted("fails", "hangs")
    with pytest.raises(EngineFailure, match="out of memory"):
        ask(engine, [Request("x"), Request("y")])
    assert engine.tickets[1].stop_reason == "cancelled"


def test_cancelling_the_task_cancels_the_requests():
    engine = Scripted("hangs", "hangs")

    async def run() -> None:
        task = asyncio.create_task(agenerate(engine, [Request("x"), Request("y")]))
        while len(engine.tickets) < 2:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        reasons = [ticket.stop_reason for ticket in engine.tickets]
        # a thread of the loop's still waits for the first one, as an engine's answer to the cancellation
        engine.tickets[0].finish(completion(""))
        assert reasons == ["cancelled", "cancelled"]

    asyncio.run(run())


def test_a_stream_that_is_left_early_cancels():
    engine = Scripted("hangs")
    pieces = stream(engine, Request("x"))
    assert next(pieces) == Piece("a", (1,))
    assert engine.tickets[0].stop_reason is None
    pieces.close()
    assert engine.tickets[0].stop_reason == "cancelled"


def test_an_async_stream_that_is_left_early_cancels():
    engine = Scripted("hangs")

    async def run() -> None:
        async with aclosing(astream(engine, Request("x"))) as pieces:
            assert await anext(pieces) == Piece("a", (1,))
            assert engine.tickets[0].stop_reason is None

    asyncio.run(run())
    assert engine.tickets[0].stop_reason == "cancelled"


def test_streams_end_with_the_answer_and_raise_what_it_failed_with():
    async def gathered(engine: Scripted) -> list[Piece]:
        return [piece async for piece in astream(engine, Request("x"))]

    assert list(stream(Scripted("ends"), Request("x"))) == [Piece("a", (1,))]
    assert asyncio.run(gathered(Scripted("ends"))) == [Piece("a", (1,))]
    with pytest.raises(EngineFailure, match="out of memory"):
        list(stream(Scripted("fails"), Request("x")))
    with pytest.raises(EngineFailure, match="out of memory"):
        asyncio.run(gathered(Scripted("fails")))


def test_a_ticket_times_its_first_token_and_its_end():
    ticket = Ticket(Request("x"), submitted=time.monotonic() - 10)
    before = ticket.timings()
    assert before.time_to_first_token_s == pytest.approx(before.total_s)
    assert before.total_s >= 10
    ticket.put(Piece("a"))
    first = ticket.timings().time_to_first_token_s
    ticket.submitted -= 5
    ticket.put(Piece("b"))
    after = ticket.timings()
    assert after.time_to_first_token_s == pytest.approx(first + 5)
    assert after.total_s > after.time_to_first_token_s


def test_a_ticket_runs_out_of_time_unless_it_was_cancelled_before():
    assert Ticket(Request("x")).stop_reason is None
    assert Ticket(Request("x", timeout_s=60)).stop_reason is None
    late = Ticket(Request("x", timeout_s=0))
    assert late.stop_reason == "timeout"
    late.cancel()
    assert late.stop_reason == "cancelled"
    given = Ticket(Request("x", timeout_s=60), deadline=time.monotonic())
    assert given.stop_reason == "timeout"


def test_a_failed_ticket_raises_every_time_it_is_asked():
    ticket = Ticket(Request("x"))
    threading.Timer(0.02, ticket.fail, [EngineFailure("it died", retryable=True)]).start()
    for _ in range(2):
        with pytest.raises(EngineFailure, match="it died") as raised:
            ticket.result()
        assert raised.value.retryable
    with pytest.raises(EngineFailure, match="it died"):
        list(ticket.pieces())


def test_a_ticket_that_ended_well_has_its_result_at_once():
    ticket = Ticket(Request("x"))
    ticket.put(Piece("a"))
    ticket.finish(completion("a"))
    assert [piece.text for piece in ticket.pieces()] == ["a"]
    assert ticket.result() == ticket.result() == completion("a")
