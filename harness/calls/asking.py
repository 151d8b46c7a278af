"""Many requests at one engine, a bounded number of them open at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from harness.calls.answer import Answer
from harness.calls.tally import Account
from harness.engines.protocol import Completion, Engine, EngineFailure, Request, Ticket


def ask(
    engine: Engine,
    requests: Sequence[Request],
    places: threading.Semaphore,
    account: Account,
    keep: Callable[[int, Completion], Answer],
) -> list[Answer | Exception | None]:
    """The outcome of each request, in order: its answer, what it failed with, or None when it was not sent.

    `places` holds how many more may be open. Each completion goes to `keep(number, completion)` in the thread
    that waited for it, as soon as it is there. After the first failure no request is sent, and those that
    are open run to their own end, for they are paid. An interrupt cancels them and keeps what is complete.
    """
    outcomes: list[Answer | Exception | None] = [None] * len(requests)
    failed = threading.Event()

    def finish(number: int, ticket: Ticket) -> None:
        try:
            outcomes[number] = keep(number, _complete(ticket, account))
        except Exception as error:  # whatever it is, it is this request's
            outcomes[number] = error
            failed.set()
        finally:
            account.closed()
            places.release()

    open_tickets: list[Ticket] = []
    waiting: list[Future[None]] = []
    with ThreadPoolExecutor(max_workers=len(requests), thread_name_prefix="answers") as waiters:
        try:
            for number, request in enumerate(requests):
                places.acquire()
                if failed.is_set():
                    places.release()
                    break
                try:
                    ticket = engine.submit(request)
                except BaseException as error:
                    places.release()
                    if not isinstance(error, Exception):
                        raise
                    outcomes[number] = error
                    break
                account.opened()
                open_tickets.append(ticket)
                waiting.append(waiters.submit(finish, number, ticket))
            wait(waiting)
        except BaseException:
            for ticket in open_tickets:
                ticket.cancel()
            raise
    return outcomes


def _complete(ticket: Ticket, account: Account) -> Completion:
    """The completion when it is whole; EngineFailure for one that a time-out or a cancellation ended."""
    try:
        completion = ticket.result()
    except Exception:
        account.add(failures=1)
        raise
    if completion.finish_reason == "timeout":
        account.add(timeouts=1)
        raise EngineFailure(f"no whole answer within {ticket.request.timeout_s:g} s", retryable=True)
    if completion.finish_reason == "cancelled":
        account.add(cancelled=1)
        raise EngineFailure("the request was cancelled", retryable=True)
    return completion
