"""Readers: asks become prompts, answers become values with evidence."""

from harness.extraction.reading.counts import ReaderCounts
from harness.extraction.reading.detection import detect_facilities
from harness.extraction.reading.formats import ONE_QUESTION, SPARSE, VERBOSE, Format, Parsed
from harness.extraction.reading.grounding import Grounded, ground
from harness.extraction.reading.noise import ASSUMED, EMBEDDED, Noise
from harness.extraction.reading.opening import Choice, OpenReader, open_reader
from harness.extraction.reading.prefixes import FourCharacters, Tokenized, Tokens
from harness.extraction.reading.reader import ModelReader
from harness.extraction.reading.truth_engine import Conditions, TruthEngine

__all__ = [
    "ASSUMED",
    "EMBEDDED",
    "ONE_QUESTION",
    "SPARSE",
    "VERBOSE",
    "Choice",
    "Conditions",
    "Format",
    "FourCharacters",
    "Grounded",
    "ModelReader",
    "Noise",
    "OpenReader",
    "Parsed",
    "ReaderCounts",
    "Tokenized",
    "Tokens",
    "TruthEngine",
    "detect_facilities",
    "ground",
    "open_reader",
]
