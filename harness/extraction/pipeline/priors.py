"""What there is to ask of a reader and where it probably stands, before anything was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.extraction.asks import Facility, Reader
from harness.extraction.company import Company
from harness.extraction.pipeline.asking import window_ask
from harness.extraction.pipeline.demand import prior_mass
from harness.extraction.pipeline.pieces import Pieces
from harness.extraction.pipeline.settings import Floats, Settings
from harness.extraction.retrieval import Bm25, words
from harness.extraction.schema.fields import FIELDS


def masses(pieces: Pieces, fields: Sequence[str], settings: Settings) -> Mapping[str, Floats]:
    """Each field's prior over the pieces, by BM25 of its name and keywords."""
    index = Bm25([words(text) for text in pieces.titled])
    tokens = np.array(pieces.tokens, dtype=float)
    return {field: prior_mass(scores(index, field), tokens, settings.prior) for field in fields}


def scores(index: Bm25, field: str) -> Floats:
    """BM25 of a field on every piece."""
    text = " ".join((FIELDS[field].name, *FIELDS[field].keywords))
    # each word once: a word of several keywords says no more than another
    query = list(dict.fromkeys(words(text)))
    return np.asarray(index.scores(query), dtype=float)


def topics(fields: Sequence[str]) -> list[list[int]]:
    """The numbers of the fields of each group."""
    found: dict[str, list[int]] = {}
    for number, field in enumerate(fields):
        found.setdefault(FIELDS[field].group, []).append(number)
    return list(found.values())


def askable(company: Company, pieces: Pieces, reader: Reader, facilities: Sequence[Facility]) -> list[str]:
    """The fields that this reader can be asked for: one that it has no question for takes no call."""
    passages = pieces.passages([0])
    return [
        field
        for field in FIELDS
        if reader.calls(window_ask(company, [field], passages, facilities, reader)) > 0
    ]


def takes_fields_alone(
    company: Company,
    pieces: Pieces,
    reader: Reader,
    fields: Sequence[str],
    facilities: Sequence[Facility],
) -> bool:
    """Whether two fields take more calls than one: such a reader gains nothing from a bundle."""
    passages = pieces.passages([0])
    one, all_ = (window_ask(company, some, passages, facilities, reader) for some in (fields[:1], fields))
    return len(fields) > 1 and reader.calls(all_) > reader.calls(one)
