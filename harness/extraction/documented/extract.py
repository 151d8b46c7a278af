"""One company by the documented pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.errors import HarnessError
from harness.extraction.asks import Reader
from harness.extraction.chunks import TokenSpans, four_characters
from harness.extraction.company import Company
from harness.extraction.documented.asking import Asking
from harness.extraction.documented.chunked import chunked
from harness.extraction.documented.course import course
from harness.extraction.documented.settings import Settings
from harness.extraction.result import CompanyResult
from harness.extraction.retrieval import Bm25Retriever, documented_words
from harness.extraction.retrieval.retrievers import Scored
from harness.extraction.retrieval.synonyms import expander

Retrieve = Callable[[Sequence[str]], Scored]
"""Makes a retriever of the texts of a company's chunks."""


def extract(
    company: Company,
    reader: Reader,
    settings: Settings | None = None,
    *,
    retrieve: Retrieve | None = None,
    spans: TokenSpans = four_characters,
) -> CompanyResult:
    """Read one company; which other ones are read before or beside it changes nothing.

    `spans` are the tokens that chunks are measured in; without a tokenizer four characters are one. The
    retriever is `retrieve`'s; without it the settings must ask for BM25. Raises HarnessError where they ask
    for another one, EngineFailure when the reader's engine fails: its journal keeps what was answered, and
    the same call goes on there.
    """
    reading = course(asking_of(company, reader, settings or Settings(), retrieve, spans), reader)
    try:
        asks = next(reading)
        while True:
            asks = reading.send(reader.answers(asks))
    except StopIteration as end:
        result: CompanyResult = end.value
        return result


def asking_of(
    company: Company, reader: Reader, settings: Settings, retrieve: Retrieve | None, spans: TokenSpans
) -> Asking:
    """The company's chunks and their retriever; raises HarnessError as `extract` does."""
    if retrieve is None and settings.retriever != "bm25":
        raise HarnessError(
            f"nothing was given that makes a retriever {settings.retriever!r}",
            where="documented settings",
            allowed="bm25 without an embedding model",
            next_step="pass `retrieve`, or set the retriever to bm25",
        )
    text = chunked(company, settings, spans)
    retriever = bm25(text.texts, settings) if retrieve is None else retrieve(text.texts)
    return Asking(text, retriever, settings, reader.context_tokens)


def bm25(texts: Sequence[str], settings: Settings) -> Bm25Retriever:
    """The documented retrieval: its words, k1 1.5, b 0.75, queries widened by synonyms; unlike there, the
    synonyms come in a fixed order."""
    expand = expander(documented_words) if settings.synonyms else None
    return Bm25Retriever(texts, split=documented_words, expand=expand)
