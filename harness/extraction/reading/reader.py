"""A language model as a reader: prompts by a format, answers parsed and grounded, every call counted."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from harness.calls.answer import Answer
from harness.calls.model import Model
from harness.engines.protocol import Request
from harness.errors import HarnessError
from harness.extraction.asks import Ask, Found, Passage, Provenance, Reply
from harness.extraction.reading.counts import ReaderCounts
from harness.extraction.reading.detection import detect_facilities
from harness.extraction.reading.formats.format import Format, Parsed
from harness.extraction.reading.grounding import Alignment, Shown, ground, shown
from harness.extraction.reading.prefixes import Prefixes, Tokens, prompt_text

Tell = Callable[[Request, Ask], None]
"""Called with each request and the part of an ask that it is about, before it is sent."""

_LEAST_ANSWER = 16
"""An answer that has less room than this is not asked for."""
_REMEMBERED = 256 * 2**20
"""Characters of prompts that are remembered to count what they share; those of the company that was longest
unused go first."""


@dataclass(slots=True)
class _Work:
    """An ask on its way: its parts with their requests and what came of them. `too_long` parts have none."""

    ask: Ask
    parts: tuple[Ask, ...]
    requests: list[Request | None]
    texts: list[str]
    parsed: Parsed = Parsed()  # noqa: RUF009
    answers: list[Answer] = field(default_factory=list)
    asked_again: int = 0
    shared: int = 0


class ModelReader:
    """Asks `model` in `format`; implements `asks.Reader`.

    `context_tokens` is the room for prompt and answer in the tokens that `tokens` counts. Where no record of
    an answer can be read it is asked for once more, with what was wrong. A prompt that does not fit is not
    sent: its ask is unreadable. Identical prompts are answered once where the model has a cache. What prompts
    share is counted in the order of the asks, so give them in one order from one thread.
    """

    def __init__(
        self,
        model: Model,
        format: Format,  # noqa: A002
        *,
        tokens: Tokens,
        context_tokens: int,
        provenance: Provenance,
        tell: Tell | None = None,
    ) -> None:
        if context_tokens < 1:
            raise HarnessError(f"a context of {context_tokens} tokens", where="reader", allowed="1 and more")
        self.model = model
        self.format = format
        self._tokens = tokens
        self._context_tokens = context_tokens
        self._provenance: Provenance = provenance
        self._tell = tell
        self._prefixes: OrderedDict[str, Prefixes] = OrderedDict()
        self._lock = threading.Lock()
        self._counts = ReaderCounts()

    @property
    def name(self) -> str:
        """The model and the format."""
        return f"{self.model.identity.model} ({self.format.name})"

    @property
    def provenance(self) -> Provenance:
        """As given."""
        return self._provenance

    @property
    def context_tokens(self) -> int:
        """As given."""
        return self._context_tokens

    @property
    def counts(self) -> ReaderCounts:
        """What happened so far."""
        return self._counts

    def notes(self) -> tuple[str, ...]:
        """Lines for the reader of a report: what this reader did otherwise than asked."""
        return self.counts.notes(self.name, self._context_tokens)

    def tokens(self, text: str) -> int:
        """How many tokens a text takes."""
        return self._tokens.count(text)

    def calls(self, ask: Ask) -> int:
        """One for each part in the format; none for facilities where the format cannot ask for them."""
        return len(self.format.parts(ask))

    def answers(self, asks: Sequence[Ask]) -> list[Reply]:
        """One reply for each ask, in order. Raises EngineFailure when the engine fails, HarnessError for a
        request that it refuses for good."""
        works = [self._work(ask) for ask in asks]
        self._send([(work, number) for work in works for number in range(len(work.parts))])
        for work in works:
            work.parsed = self.format.parse(work.ask, work.texts)
        again = [(work, number) for work in works for number in self._unreadable(work)]
        self._send(again)
        for work, _ in again:
            work.asked_again += 1
            work.parsed = self.format.parse(work.ask, work.texts)
        return [self._reply(work) for work in works]

    def _unreadable(self, work: _Work) -> list[int]:
        """The parts whose answers could not be read; their requests become those that repeat them."""
        numbers = []
        for number, problem in enumerate(work.parsed.problems):
            request = work.requests[number]
            if not problem or request is None:
                continue
            repeated = self.format.again(request, problem)
            repeated = None if repeated is None else self._fitted(repeated)
            if repeated is not None:
                work.requests[number] = repeated
                numbers.append(number)
        return numbers

    def _work(self, ask: Ask) -> _Work:
        parts = self.format.parts(ask)
        requests = [self._fitted(request) for request in self.format.requests(ask)]
        return _Work(ask, parts, requests, [""] * len(parts))

    def _fitted(self, request: Request) -> Request | None:
        """With as much room for the answer as the context leaves, None where it leaves next to none."""
        limit = request.sampling.max_tokens
        room = self._context_tokens - self._tokens.count(prompt_text(request))
        if room < min(limit, _LEAST_ANSWER):
            return None
        return (
            request
            if limit <= room
            else replace(request, sampling=replace(request.sampling, max_tokens=room))
        )

    def _send(self, places: Sequence[tuple[_Work, int]]) -> None:
        """Have the requests at these places answered, all at once."""
        sent: list[tuple[_Work, int, Request]] = []
        for work, number in places:
            request = work.requests[number]
            if request is not None:
                sent.append((work, number, request))
        if not sent:
            return
        shares = []
        for work, number, request in sent:
            if self._tell is not None:
                self._tell(request, work.parts[number])
            shares.append(self._shared(work.ask, request))
        answers = self.model.answers(
            [request for _, _, request in sent], cut_is_final=self.format.makes_cuts_final
        )
        for (work, number, _), share, answer in zip(sent, shares, answers, strict=True):
            work.texts[number] = answer.text
            work.answers.append(answer)
            work.shared += min(share, answer.prompt_tokens)

    def _shared(self, ask: Ask, request: Request) -> int:
        with self._lock:
            digest = ask.company.digest
            prefixes = self._prefixes.setdefault(digest, Prefixes(self._tokens))
            self._prefixes.move_to_end(digest)
            shared = prefixes.shared(prompt_text(request))
            while (
                len(self._prefixes) > 1
                and sum(each.characters for each in self._prefixes.values()) > _REMEMBERED
            ):
                self._prefixes.popitem(last=False)
            return shared

    def _reply(self, work: _Work) -> Reply:
        ask = work.ask
        if ask.stage == "detection" and not self.format.detects:
            self._count(ReaderCounts(detected=1))
            return Reply(facilities=detect_facilities(_of_all(ask)), calls=0)
        parsed = work.parsed
        found, quotes = _grounded(ask, parsed.found)
        is_unreadable = bool(parsed.problems) and all(parsed.problems)
        self._count(_counted(work, parsed, is_unreadable, quotes))
        return Reply(
            found,
            parsed.facilities,
            parsed.absent,
            parsed.elsewhere,
            is_unreadable,
            len(work.answers),
            work.asked_again,
            sum(answer.prompt_tokens for answer in work.answers),
            sum(answer.completion_tokens for answer in work.answers),
            work.shared,
            sum(answer.latency_s for answer in work.answers) if self._provenance == "measured" else 0.0,
            parsed.unread,
        )

    def _count(self, more: ReaderCounts) -> None:
        with self._lock:
            self._counts = self._counts.plus(more)


def _of_all(ask: Ask) -> Ask:
    """The ask about all of the company's documents: looking for names takes no call, whatever was shown."""
    company = ask.company
    whole = [
        Passage(start, start + len(each.text))
        for each, start in zip(company.documents, company.starts, strict=True)
    ]
    return replace(ask, passages=tuple(whole))


def _counted(work: _Work, parsed: Parsed, is_unreadable: bool, quotes: dict[Alignment, int]) -> ReaderCounts:
    return ReaderCounts(
        len(work.answers),
        work.asked_again,
        int(is_unreadable),
        parsed.cut,
        len(work.parts) - (len(work.answers) - work.asked_again),
        len(parsed.complaints),
        0,
        quotes,
    )


def _grounded(ask: Ask, found: Sequence[Found]) -> tuple[tuple[Found, ...], dict[Alignment, int]]:
    """Quotes that have no span yet get theirs, where they stand in what was shown."""
    there: Shown | None = None
    grounded, counts = [], dict[Alignment, int]()
    for each in found:
        alignment: Alignment = "none" if each.evidence is None else "exact"
        if each.evidence is None and each.quote:
            there = shown(ask) if there is None else there
            result = ground(there, each.quote)
            alignment, each = result.alignment, replace(each, evidence=result.span)
        counts[alignment] = counts.get(alignment, 0) + 1
        grounded.append(each)
    return tuple(grounded), counts
