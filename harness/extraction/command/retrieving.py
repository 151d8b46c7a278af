"""The retriever that the documented pipeline was told to use."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from harness.errors import HarnessError
from harness.extraction.documented.extract import Retrieve, bm25
from harness.extraction.documented.settings import Settings
from harness.extraction.retrieval.embedders import embedder
from harness.extraction.retrieval.retrievers import Embed, EmbeddingRetriever, HybridRetriever, Scored


def retriever_of(asked: argparse.Namespace, settings: Settings) -> Retrieve | None:
    """None for BM25, which the pipeline brings; raises HarnessError where no embedding model is named."""
    if settings.retriever == "bm25":
        return None
    embed = _embed(asked.embedder)

    def retrieve(texts: Sequence[str]) -> Scored:
        embedding = EmbeddingRetriever(texts, embed)
        if settings.retriever == "embedding":
            return embedding
        return HybridRetriever(bm25(texts, settings), embedding)

    return retrieve


def _embed(model: str) -> Embed:
    """Mean hidden states of a local checkpoint."""
    if not model:
        raise HarnessError(
            "an embedding retriever needs a model",
            allowed="--embedder with a shipped model or a checkpoint folder",
            next_step="name one, or --retriever bm25",
        )
    from harness.engines.transformers import TransformersSettings, load
    from harness.models.embedded import model_folder

    return embedder(load(TransformersSettings(model_folder(model))))
