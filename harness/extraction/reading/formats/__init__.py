"""How a question is put to a model, and how its answer is read: prompts and parsers, no model."""

from harness.extraction.reading.formats.format import Format, Parsed
from harness.extraction.reading.formats.one_question import ONE_QUESTION, OneQuestion
from harness.extraction.reading.formats.sparse import SPARSE, Sparse
from harness.extraction.reading.formats.statements import STATEMENTS, Statements
from harness.extraction.reading.formats.verbose import VERBOSE, Verbose

__all__ = [
    "ONE_QUESTION",
    "SPARSE",
    "STATEMENTS",
    "VERBOSE",
    "Format",
    "OneQuestion",
    "Parsed",
    "Sparse",
    "Statements",
    "Verbose",
]
