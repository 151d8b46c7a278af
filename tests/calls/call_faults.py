"""What happens to a run whose server misbehaves: the table of faults, observed.

As a script (with tests/engines on PYTHONPATH) it prints the table in Markdown.
"""

from __future__ import annotations

import re
import socket
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from counting_server import CONTEXT, CountingServer, Fault, counting_server, healthy, words_of
from scripted_server import chat_events, chat_reply, events, reply, silence

from harness.calls.journal import Journal, read_journal
from harness.calls.opening import Remote, opened
from harness.calls.tally import Tally
from harness.engines.protocol import EngineFailure, Message, Request, Sampling
from harness.engines.transport import Limits
from harness.errors import HarnessError

TEXTS = tuple(f"entry {number}" for number in range(8))
BAD = TEXTS[5]
THREADS = 3
LIMITS = Limits(tries=3, idle_s=60.0, first_delay_s=0.0, longest_delay_s=0.0, longest_retry_after_s=0.01)
SLOW = Limits(tries=2, idle_s=1.0, first_delay_s=0.0, longest_delay_s=0.0)


@dataclass(frozen=True)
class Case:
    """A fault, what the message has to say (empty: the run must not notice), and how it comes about."""

    name: str
    says: str
    fault: Callable[[CountingServer], Fault] = lambda _: healthy
    limits: Limits = LIMITS
    dead_at_first: bool = False
    texts: tuple[str, ...] = TEXTS
    max_tokens: int = 8


@dataclass(frozen=True)
class Observed:
    """One row of the table; `retries`, `kept` and `lost` are of the run that met the fault.

    `repeated` are right and whole answers that the server gave once more than they were needed, `lost` such
    that were not in the journal, `left` those in the journal that nobody asked for.
    """

    fault: str
    saw: str
    retries: int
    kept: int
    repeated: int
    lost: int
    same_result: bool
    disagreements: tuple[str, ...]
    left: int


def requests_of(texts: tuple[str, ...], max_tokens: int = 8) -> list[Request]:
    """One greedy chat for each text."""
    return [
        Request((Message("system", "Extract."), Message("user", text)), Sampling(max_tokens))
        for text in texts
    ]


def _always(answer: Callable[[CountingServer], object]) -> Callable[[CountingServer], Fault]:
    return lambda server: lambda text, _nth: answer(server) if text == BAD else None  # type: ignore[return-value]


def _once(answer: object) -> Callable[[CountingServer], Fault]:
    return lambda _: lambda text, nth: answer if text == BAD and nth == 1 else None  # type: ignore[return-value]


def _dies(server: CountingServer) -> Fault:
    def fault(text: str, _nth: int) -> object:
        server.dead = server.dead or text == BAD
        return _hang_up if server.dead else None

    return fault  # type: ignore[return-value]


def _hang_up(handler: object) -> None:
    handler.close_connection = True  # type: ignore[attr-defined]


def _begun(*texts: str) -> object:
    return events(*chat_events(*texts)[: len(texts) + 1], cut=True)


_NOBODY = threading.Event()
_LIMITED = reply(429, {"error": {"message": "slow down"}}, retry_after="1")
_UNCOUNTED = reply(200, chat_reply("a", usage=None))
_FILTERED = reply(200, chat_reply("a", "content_filter"))
_WRONG = reply(200, {"choices": [{"message": {"content": 5}, "finish_reason": "stop"}]})

CASES = (
    Case("nobody listens on the port", "cannot be reached", dead_at_first=True),
    Case("the server dies during the run", "the connection broke", _dies),
    Case("no answer until the time-out", "silent for 1 s", _always(lambda _: silence(_NOBODY)), SLOW),
    Case("a body that is no JSON", "is no JSON", _always(lambda _: reply(200, b"<html>busy</html>"))),
    Case("an empty body", "the answer is empty", _always(lambda _: reply(200, b""))),
    Case("closes in mid-stream, once", "", _once(_begun())),
    Case("closes in mid-stream, always", "broke", _always(lambda _: _begun("w"))),
    Case("HTTP 500, once", "", _once(reply(500, {"error": "out of order"}))),
    Case("HTTP 500, always", "answers 500", _always(lambda _: reply(500, {"error": "out of order"}))),
    Case("HTTP 429 with Retry-After, then fine", "", _once(_LIMITED)),
    Case("HTTP 429, always", "answers 429", _always(lambda _: _LIMITED)),
    Case("HTTP 401", "answers 401", _always(lambda _: reply(401, {"error": {"message": "no such key"}}))),
    Case("HTTP 404", "answers 404", _always(lambda _: reply(404, {"error": "no such model"}))),
    Case("an empty list of choices", "has no choices", _always(lambda _: reply(200, {"choices": []}))),
    Case("JSON of other types", "is no text", _always(lambda _: _WRONG)),
    Case("no count of tokens", "no usage", _always(lambda _: _UNCOUNTED)),
    Case("a content filter", "content_filter", _always(lambda _: _FILTERED)),
    Case("an answer cut at max_tokens", "", texts=(*TEXTS[:5], "long 20", *TEXTS[5:]), max_tokens=6),
    Case("an answer that never ends", "", texts=(*TEXTS[:5], "long 500", *TEXTS[5:]), max_tokens=6),
    Case(
        "the server cuts answers itself", "cuts an answer at 4 tokens",
        lambda server: setattr(server, "most_tokens", 4) or healthy,
        texts=(*TEXTS[:5], "long 20", *TEXTS[5:]),
    ),
)  # fmt: skip


def observe(case: Case, folder: Path) -> Observed:
    """Run into the fault, repair the server, go on; compare with what a server without fault answers."""
    path = folder / "run.jsonl"
    with counting_server() as server:
        if case.dead_at_first:
            saw, tally, answers = _run(case, _free_url(), path)
        else:
            server.fault = case.fault(server)
            saw, tally, answers = _run(case, server.url, path)
        kept = read_journal(path).answers if path.exists() else {}
        lost = sum(server.answered.values()) - len(kept)
        retries, disagreements = tally.total().retries, tally.disagreements()
        server.fault, server.dead, server.most_tokens = healthy, False, 10_000
        if answers is None:
            again, tally, answers = _run(case, server.url, path)
            assert not again, again
            disagreements += tally.disagreements()
        most = {text: len(_limits(case, text)) for text in case.texts}
        repeated = sum(max(0, count - most[text]) for text, count in server.answered.items())
        left = len(read_journal(path).answers) - sum(most.values())
    return Observed(
        case.name, _masked(saw, path), retries, len(kept), repeated, lost,
        answers == [_expected(text) for text in case.texts], tuple(disagreements), left,
    )  # fmt: skip


def table(observed: list[Observed]) -> str:
    """The rows in Markdown."""
    lines = [
        "| fault | what the user saw | retries | calls repeated | answers lost |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.fault} | {row.saw or 'nothing'} | {row.retries} | {row.repeated} | {row.lost} |"
        for row in observed
    ]
    return "\n".join(lines)


def _limits(case: Case, text: str) -> list[int]:
    """The limits that a text's right answers need, one after the other."""
    limits, room = [case.max_tokens], CONTEXT - 1 - len(text.split())
    while len(words_of("w0", text)) > limits[-1] < room:
        limits.append(min(2 * limits[-1], room))
    return limits


def _expected(text: str) -> str:
    room = CONTEXT - 1 - len(text.split())
    return "".join(f"{word} " for word in words_of("w0", text)[:room])


def _run(case: Case, url: str, path: Path) -> tuple[str, Tally, list[str] | None]:
    """(what the user saw, the accounts, the answers) of one run."""
    tally = Tally()
    try:
        with opened(Remote(url, "m", limits=case.limits), THREADS) as one:
            fingerprint = {"data": "1", "weights": one.identity.weights}
            with Journal(path, fingerprint) as journal:
                model = one.model("task", journal=journal, tally=tally)
                return "", tally, [a.text for a in model.answers(requests_of(case.texts, case.max_tokens))]
    except EngineFailure as failure:
        return str(failure), tally, None
    except HarnessError as error:
        return error.message, tally, None


def _free_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def _masked(text: str, path: Path) -> str:
    """Without what differs from run to run."""
    text = re.sub(r"http://127\.0\.0\.1:\d+(/v1)?", "SERVER", text.replace(str(path), "JOURNAL"))
    return re.sub(r"\d+ answers are kept", "N answers are kept", text)


def main() -> None:
    """Print the table."""
    rows = []
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(observe(case, Path(folder)))
    print(table(rows))


if __name__ == "__main__":
    main()
