"""What is modelled: a model on a row, one of three ways to score, and the batch that is scored."""

from __future__ import annotations

from dataclasses import dataclass

from harness.costmodel.formats import WeightFormat, weight_format
from harness.costmodel.known_models import find_model
from harness.costmodel.shapes import ModelShape
from harness.detection.capture.workload import PROMPT_MEDIAN, RESPONSE_MEDIAN
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.hardware.rows import Row

GUIDE_MODEL = "llama-2-7b"
"""The guide's model. Its window is 4,096 tokens."""
RESPONSE_SHARE = RESPONSE_MEDIAN / (PROMPT_MEDIAN + RESPONSE_MEDIAN)


@dataclass(frozen=True, slots=True)
class Structure:
    """A way to go about the scores, as the modules of `capture` do it.

    `keeps_maps`: eager attention, the maps of all layers and heads and the KV cache stay in memory.
    `looks_everywhere`: logits before and after each layer at every position, all kept; else at the positions
    that predict the response, `fast.LENS_ROWS` at a time. `loops`: one token, head and layer at a time.
    """

    name: str
    keeps_maps: bool
    looks_everywhere: bool
    loops: bool


PUBLISHED = Structure("published", keeps_maps=True, looks_everywhere=True, loops=True)
"""`capture/straightforward.py`."""
VECTORIZED = Structure("vectorized", keeps_maps=True, looks_everywhere=False, loops=False)
"""`capture/vectorized.py`."""
OURS = Structure("ours", keeps_maps=False, looks_everywhere=False, loops=False)
"""`capture/fast.py`."""
STRUCTURES = {one.name: one for one in (PUBLISHED, VECTORIZED, OURS)}


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of a pass, each (prompt tokens, response tokens), padded to the longest.

    The last token of a response predicts nothing and is counted: one token more, as `straightforward` has it.
    """

    samples: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if not self.samples or any(prompt < 1 or response < 1 for prompt, response in self.samples):
            raise ValueError("a batch has a sample, and a sample a prompt and a response")

    @property
    def longest(self) -> int:
        """Tokens of the longest sample."""
        return max(map(sum, self.samples))

    @property
    def tokens(self) -> int:
        """Tokens computed, padding included."""
        return self.longest * len(self.samples)

    @property
    def responses(self) -> int:
        """Response tokens of all samples."""
        return sum(response for _, response in self.samples)


@dataclass(frozen=True, slots=True)
class Setting:
    """A model with these weights on a row's GPUs.

    `stages` GPUs hold as many parts of the layers and work one after the other, as the library's device map
    "balanced" has it. One head of each layer is scored, and every layer.
    """

    shape: ModelShape
    weights: WeightFormat
    row: Row
    structure: Structure
    stages: int = 1

    @property
    def heads(self) -> tuple[tuple[int, int], ...]:
        """The scored heads: as many as the paper lists for Llama-2-7B."""
        return tuple((layer, 0) for layer in range(self.shape.layers))


def setting(
    row: Row, weights: str, structure: Structure, stages: int = 1, model: str = GUIDE_MODEL
) -> Setting:
    """The guide's or another model on `row`; HarnessError for a model or weight format that is not known, and
    (exit 3) for a row without GPUs: the cost model's constants are of GPUs.
    """
    if row.kind == "host":
        raise HarnessError("the cost model knows GPUs only", where=row.name, exit_code=EXIT_INFEASIBLE)
    shape = find_model(model)
    return Setting(shape, weight_format(weights, shape), row, structure, stages)


def equal_samples(tokens: int, count: int = 1) -> Batch:
    """`count` samples of `tokens` tokens, of which the response has RAGTruth's share.

    Raises ValueError below two tokens.
    """
    response = max(1, min(tokens - 1, round(tokens * RESPONSE_SHARE)))
    return Batch(((tokens - response, response),) * count)


def halves(batch: Batch) -> tuple[Batch, ...]:
    """The batch in two parts; nothing of a single sample."""
    middle = len(batch.samples) // 2
    return (Batch(batch.samples[:middle]), Batch(batch.samples[middle:])) if middle else ()
