"""An engine of this process that answers what a test's function says, each request in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from harness.engines.protocol import Completion, Message, Request, Sampling, Ticket, Timings

Say = Callable[[Request, int], Completion | None]
"""The answer to a request, the how-manieth of all from 1; None waits until it is cancelled. May raise."""


def chat(text: str, **sampling: object) -> Request:
    """One chat of one message."""
    return Request((Message("user", text),), Sampling(**sampling))  # type: ignore[arg-type]


def said(text: str, finish: str = "stop", prompt_tokens: int = 4, completion_tokens: int = 2) -> Completion:
    """A completion."""
    return Completion(text, (), prompt_tokens, completion_tokens, finish, Timings(0.1, 0.2))  # type: ignore[arg-type]


def echo(request: Request, _nth: int) -> Completion:
    """Answers with the text itself."""
    return said(f"to {text_of(request)}")


def text_of(request: Request) -> str:
    """The last message."""
    return request.prompt[-1].content  # type: ignore[union-attr]


class FakeEngine:
    """`asked` has every request that was submitted, `most_open` the most that were open at once."""

    name = "fake 1"
    lacks: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, say: Say = echo, context_tokens: int = 100) -> None:
        self.context_tokens = context_tokens
        self.asked: list[Request] = []
        self.open_now = 0
        self.most_open = 0
        self._say = say
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(32)

    def submit(self, request: Request) -> Ticket:
        ticket = Ticket(request)
        with self._lock:
            self.asked.append(request)
            self.open_now += 1
            self.most_open = max(self.most_open, self.open_now)
            nth = len(self.asked)
        self._pool.submit(self._serve, ticket, nth)
        return ticket

    def close(self) -> None:
        self._pool.shutdown()

    def _serve(self, ticket: Ticket, nth: int) -> None:
        try:
            completion = self._say(ticket.request, nth)
            if completion is None:
                ticket._cancelled.wait(30)
                completion = said("", "cancelled")
        except Exception as error:
            self._over()
            ticket.fail(error)
        else:
            self._over()
            ticket.finish(completion)

    def _over(self) -> None:
        with self._lock:
            self.open_now -= 1
