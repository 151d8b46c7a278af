"""A model's answer to a prompt, with what of it the context does not support. The terms are RAGTruth's."""

from __future__ import annotations

from dataclasses import dataclass

TASKS = ("QA", "Data2txt", "Summary")
LABEL_TYPES = ("Evident Conflict", "Subtle Conflict", "Evident Baseless Info", "Subtle Baseless Info")
SPLITS = ("train", "test")
QUALITIES = ("good", "incorrect_refusal", "truncated")


@dataclass(frozen=True, slots=True)
class Label:
    """Characters [start, end) of a response that are hallucinated.

    `implicit_true`: right, though the context does not say so. `due_to_null`: a missing value was taken for
    something.
    """

    start: int
    end: int
    type: str
    implicit_true: bool = False
    due_to_null: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. `context` is the stretch [start, end) of the prompt that holds the retrieved text.

    `source_id` is the source that the context comes from: responses of one source share it.
    """

    id: str
    source_id: str
    task: str
    model: str
    temperature: float
    prompt: str
    context: tuple[int, int]
    text: str
    labels: tuple[Label, ...]
    split: str = "test"
    quality: str = "good"

    @property
    def is_hallucinated(self) -> bool:
        """Whether any stretch of it is."""
        return bool(self.labels)
