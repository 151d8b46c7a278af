"""What every format offers: from an ask to requests, and from the texts that answer them to values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from harness.engines.protocol import Message, Request
from harness.extraction.asks import Ask, Facility, Found


@dataclass(frozen=True, slots=True)
class Parsed:
    """What texts say, as far as it can be read.

    `problems` has one line for each text: why nothing of it can be used, empty where something can.
    `unread` are the fields that only such texts were about, and those that a cut text did not come to.
    `complaints` say what was left out of the others: wrong keys, records that are none. `cut` texts broke
    off; their whole records were kept.
    """

    found: tuple[Found, ...] = ()
    facilities: tuple[Facility, ...] = ()
    absent: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    cut: int = 0


class Format(Protocol):
    """One way to ask. An ask becomes one request for each of its parts, which are asks themselves."""

    @property
    def name(self) -> str:
        """As reports print it."""
        ...

    @property
    def detects(self) -> bool:
        """Whether a model can be asked for the facilities themselves in this format."""
        ...

    @property
    def makes_cuts_final(self) -> bool:
        """Whether an answer that was cut is used as far as it goes, instead of being asked for again with
        more room."""
        ...

    def parts(self, ask: Ask) -> tuple[Ask, ...]:
        """The ask in pieces of one request each; none where the format has no question for it."""
        ...

    def requests(self, ask: Ask) -> tuple[Request, ...]:
        """One request for each part, in their order."""
        ...

    def again(self, request: Request, problem: str) -> Request | None:
        """The request that repeats one whose answer could not be read, None where that is of no use."""
        ...

    def answer(
        self,
        ask: Ask,
        found: Sequence[Found],
        absent: Sequence[str] = (),
        elsewhere: Sequence[str] = (),
        facilities: Sequence[Facility] = (),
    ) -> str:
        """How a reader who knows answers one part."""
        ...

    def parse(self, ask: Ask, texts: Sequence[str]) -> Parsed:
        """What one text for each part says. Never raises, whatever the texts are."""
        ...


def joined(parsed: Sequence[Parsed]) -> Parsed:
    """What several parts say together; a field is unread only where no part about it could be read."""
    return Parsed(
        tuple(found for each in parsed for found in each.found),
        tuple(facility for each in parsed for facility in each.facilities),
        _once(field for each in parsed for field in each.absent),
        _once(field for each in parsed for field in each.elsewhere),
        tuple(problem for each in parsed for problem in each.problems),
        _once(field for each in parsed for field in each.unread),
        tuple(line for each in parsed for line in each.complaints),
        sum(each.cut for each in parsed),
    )


def _once(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def repeated(request: Request, problem: str) -> Request:
    """The same chat, its last message with a sentence more: the beginning stays what a cache has kept."""
    assert isinstance(request.prompt, tuple)
    last = request.prompt[-1]
    assert isinstance(last, Message)
    sentence = f"\n\nAn earlier answer to this could not be read: {problem}. Answer with one JSON object."
    messages = [each for each in request.prompt[:-1] if isinstance(each, Message)]
    return replace(request, prompt=(*messages, Message(last.role, last.content + sentence)))
