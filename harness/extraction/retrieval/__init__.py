"""Which chunks of a text a query is about: deterministic BM25, embeddings, and both together."""

from harness.extraction.retrieval.bm25 import Bm25, okapi, plus
from harness.extraction.retrieval.retrievers import (
    Bm25Retriever,
    EmbeddingRetriever,
    HybridRetriever,
    Retriever,
)
from harness.extraction.retrieval.synonyms import expanded
from harness.extraction.retrieval.words import documented_words, words

__all__ = [
    "Bm25",
    "Bm25Retriever",
    "EmbeddingRetriever",
    "HybridRetriever",
    "Retriever",
    "documented_words",
    "expanded",
    "okapi",
    "plus",
    "words",
]
