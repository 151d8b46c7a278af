"""One company from its texts to its result: a generator of waves of asks, which takes their replies.

It knows no other company, so its asks and its result are the same whoever is read beside it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import islice

from harness.extraction.asks import Ask, Facility, Reader, Reply, Stage
from harness.extraction.company import Company
from harness.extraction.pipeline.asking import detection_ask, price, text_room
from harness.extraction.pipeline.budget import Budget, budget_of
from harness.extraction.pipeline.calibration import Calibration
from harness.extraction.pipeline.detection import QUERY, showings
from harness.extraction.pipeline.outcome import add_costs, facility_results
from harness.extraction.pipeline.pieces import Pieces, pieces
from harness.extraction.pipeline.scope import distinct
from harness.extraction.pipeline.search import Search
from harness.extraction.pipeline.settings import Seconds, Settings
from harness.extraction.result import CompanyResult, StageCost
from harness.extraction.retrieval import Bm25, words

Course = Generator[list[Ask], Sequence[Reply], CompanyResult]
Waves = Generator[list[Ask], Sequence[Reply], tuple[tuple[Facility, ...], bool]]
_NO_FACILITY = "no facility was found, so there is none that fields could belong to"
_UNREADABLE = "no answer that names facilities could be read, or the budget allowed no question"


def course(
    company: Company,
    reader: Reader,
    settings: Settings,
    seconds: Seconds | None,
    calibration: Calibration,
) -> Course:
    """Yields lists of asks, wants the list of their replies, returns the result. No list is empty."""
    budget = budget_of(settings, seconds)
    costs: dict[Stage, StageCost] = {}
    room = text_room(reader, settings.bundle_fields, settings.window_tokens)
    size = min(settings.piece_tokens, room)
    text = pieces(company, reader.tokens, size, min(2 * size, room))
    if not len(text):
        return CompanyResult(company, (), (), ("the documents hold no text",))
    facilities, is_read = yield from _detected(company, text, reader, settings, budget, seconds, costs)
    if not facilities:
        note = _NO_FACILITY if is_read else _UNREADABLE
        return CompanyResult(company, (), tuple(costs.values()), (note,))
    search = Search(company, text, facilities, reader, settings, budget, seconds)
    while opened := search.wave():
        replies = yield [each.ask for each in opened]
        add_costs(costs, "window", replies)
        search.absorb(opened, replies)
    results = facility_results(facilities, search.known, calibration, settings.least_raw)
    return CompanyResult(company, results, tuple(costs.values()), search.notes())


def _detected(
    company: Company,
    text: Pieces,
    reader: Reader,
    settings: Settings,
    budget: Budget,
    seconds: Seconds | None,
    costs: dict[Stage, StageCost],
) -> Waves:
    """The company's facilities, from the likeliest passages and while these name none from the others; and
    whether any answer about them could be read."""
    index = Bm25([words(each) for each in text.titled])
    room = text_room(reader, 0, settings.detection_tokens)
    sets = showings(text, index.scores(words(QUERY)), room)
    found: tuple[Facility, ...] = ()
    is_read = False
    while not found and (shown := list(islice(sets, settings.detection_calls))):
        asks = []
        for chosen in shown:
            ask = detection_ask(company, text.passages(chosen), reader)
            if budget.takes(price(ask, sum(text.tokens[each] for each in chosen), reader, seconds)):
                asks.append(ask)
        if not asks:
            break
        replies = yield asks
        budget.pay(replies, seconds)
        add_costs(costs, "detection", replies)
        found = distinct([each for reply in replies for each in reply.facilities])
        is_read = is_read or not all(reply.unreadable for reply in replies)
    return found, is_read
