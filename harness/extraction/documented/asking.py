"""The asks of every stage of one company. They depend on its text, not on who reads it or in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.extraction.asks import Ask, Facility, Found, Passage, Stage
from harness.extraction.documented.chunked import Chunked, section_candidates
from harness.extraction.documented.queries import detection_queries, field_queries, group_query
from harness.extraction.documented.settings import Settings
from harness.extraction.retrieval.retrievers import Scored
from harness.extraction.schema.fields import FIELDS
from harness.extraction.schema.groups import Group

_PER_QUERY = 3
_HEAD_CHARACTERS, _HEAD_SCORE = 8000, 0.1
_TAIL_CHARACTERS, _TAIL_SCORE = 5000, 0.05
_TAIL_FROM = 20_000
_ALIKE = 200
_VERIFIED_FIELDS, _PER_VERIFIED_FIELD, _VERIFICATION_CHUNKS = 8, 2, 6
_DEEP_CHUNKS = 6
_CONTEXT_SHARE = 4
"""An answer may take at most this part (one n-th) of the reader's context."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A company's text and how it is searched. `context_tokens`, the reader's room, bounds answers."""

    text: Chunked
    retriever: Scored
    settings: Settings
    context_tokens: int
    _retrieved: dict[tuple[str, int], tuple[int, ...]] = field(default_factory=dict)

    def detection(self) -> Ask:
        """One for the company: the chunks that five queries and more bring, its beginning and its end."""
        passages = _fill(self.text, self._detection_pieces(), self.settings.detection_text_tokens)
        return self._ask("detection", (), passages, (), self.settings.detection_output_tokens)

    def _detection_pieces(self) -> list[Passage]:
        """Candidates, best first: chunks by their best score in any query, then the beginning, then the end
        of a long text; one of those that begin alike."""
        text, whole = self.text, self.text.company.text
        scores: dict[Passage, float] = {}
        for query in detection_queries(whole):
            for number, score in self.retriever.scored(query, _PER_QUERY):
                chunk = text.chunks[number]
                scores[chunk] = max(score, scores.get(chunk, score))
        pieces = [*scores.items(), (Passage(0, min(_HEAD_CHARACTERS, len(whole))), _HEAD_SCORE)]
        if len(whole) > _TAIL_FROM:
            pieces.append((Passage(len(whole) - _TAIL_CHARACTERS, len(whole)), _TAIL_SCORE))
        alike: dict[str, Passage] = {}
        for piece, _ in sorted(pieces, key=lambda each: -each[1]):
            alike.setdefault(text.text(piece)[:_ALIKE], piece)
        return list(alike.values())

    def first(self, facility: Facility, group: Group) -> Ask | None:
        """A group's pass over the chunks that its query brings; None where it brings none."""
        chosen = self.retrieved(group_query(group), self.settings.chunks_per_group)
        return self._pass("retrieval", facility, group, chosen) if chosen else None

    def sections(self, facility: Facility, group: Group) -> list[Ask]:
        """A group's section passes, as many as the cap allows."""
        size = self.settings.chunks_per_group
        chosen = self.retrieved(group_query(group), size)
        candidates = section_candidates(self.text.texts, chosen, size)[: self.settings.section_passes]
        return [self._pass("section", facility, group, window) for window in candidates]

    def _pass(self, stage: Stage, facility: Facility, group: Group, chosen: Sequence[int]) -> Ask:
        passages = self.text.cut(self._chunks(chosen), self.settings.group_text_tokens)
        return self._ask(stage, group.fields, passages, (facility,), group.output_tokens)

    def verification(self, facility: Facility, claimed: Sequence[Found]) -> Ask | None:
        """All values of a facility, beside chunks about the first 8 of them; None where there is no value."""
        if not claimed:
            return None
        chosen: dict[int, None] = {}
        for found in claimed[:_VERIFIED_FIELDS]:
            chosen.update(dict.fromkeys(self.retrieved(FIELDS[found.field].name, _PER_VERIFIED_FIELD)))
        passages = self._chunks(list(chosen)[:_VERIFICATION_CHUNKS])
        return self._ask(
            "verification",
            tuple(found.field for found in claimed),
            self.text.cut(passages, self.settings.verification_text_tokens),
            (facility,),
            self.settings.verification_output_tokens,
            tuple(claimed),
        )

    def deep(self, key: str) -> Ask | None:
        """One field by itself, whichever facility it is for: the prompt does not name it. None where no chunk
        has a word of the field."""
        chosen: dict[int, None] = {}
        for query in field_queries(FIELDS[key]):
            chosen.update(dict.fromkeys(self.retrieved(query, _PER_QUERY)))
        if not chosen:
            return None
        # six are kept although no more than three fit
        passages = self.text.cut(self._chunks(list(chosen)[:_DEEP_CHUNKS]), self.settings.deep_text_tokens)
        return self._ask("deep", (key,), passages, (), self.settings.deep_output_tokens)

    def retrieved(self, query: str, count: int) -> tuple[int, ...]:
        """The best chunks for a query, best first; each query is searched for once."""
        if (query, count) not in self._retrieved:
            self._retrieved[query, count] = tuple(self.retriever.top(query, count))
        return self._retrieved[query, count]

    def _chunks(self, chosen: Sequence[int]) -> list[Passage]:
        return [self.text.chunks[number] for number in chosen]

    def _ask(
        self,
        stage: Stage,
        fields: tuple[str, ...],
        passages: tuple[Passage, ...],
        facilities: tuple[Facility, ...],
        output_tokens: int,
        claimed: tuple[Found, ...] = (),
    ) -> Ask:
        limit = max(1, min(output_tokens, self.context_tokens // _CONTEXT_SHARE))
        return Ask(self.text.company, stage, fields, passages, facilities, claimed, limit)


def deep_targets(missing: Mapping[str, bool], asks: Mapping[str, Ask], limit: int | None) -> list[str]:
    """Which of the missing fields deep extraction takes up: those that were said to stand elsewhere first,
    then the others, each in the schema's order; those without an ask are passed over, a cap takes the first.

    `missing` says of each missing field whether it was said to stand elsewhere.
    """
    ordered = [key for key in FIELDS if missing.get(key)] + [
        key for key in FIELDS if missing.get(key) is False
    ]
    return [key for key in ordered if key in asks][:limit]


def _fill(text: Chunked, pieces: Sequence[Passage], limit: int) -> tuple[Passage, ...]:
    """Best first, each whole where it still fits; the very first one is cut to fit."""
    kept: list[Passage] = list(text.cut(pieces[:1], limit))
    left = limit - sum(text.tokens(piece) for piece in kept)
    for piece in pieces[1:]:
        tokens = text.tokens(piece)
        if tokens <= left:
            kept.append(piece)
            left -= tokens
    return tuple(kept)
