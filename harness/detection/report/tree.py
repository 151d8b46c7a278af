"""The guide's hand-written decision tree, quoted, and the techniques by the names of their benchmarks.

detection-optimization-guide.md, "Optimization Decision Tree". What was found instead is in `tree_derived`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

GUIDE = "detection-optimization-guide.md, Optimization Decision Tree"

Problem = Literal["out of memory", "too slow", "low accuracy"]


@dataclass(frozen=True, slots=True)
class Band:
    """Sequence lengths [low, high) in tokens; `BAND_UNKNOWN` for cells that vary no length."""

    low: int
    high: float

    @property
    def text(self) -> str:
        """`2,000 to 6,000 tokens`."""
        if self == BAND_UNKNOWN:
            return "lengths not varied"
        if not self.low:
            return f"under {self.high:,.0f} tokens"
        return (
            f"{self.low:,} tokens and more"
            if math.isinf(self.high)
            else f"{self.low:,} to {self.high:,.0f} tokens"
        )


BAND_UNKNOWN = Band(0, 0.0)
BANDS = (Band(0, 2000), Band(2000, 6000), Band(6000, math.inf))
"""The guide's own. Past 4,096 tokens its model, LLaMA-2, has no window."""


@dataclass(frozen=True, slots=True)
class Technique:
    """One of the guide's 17 (`number`; 0: ours), and which benchmarks put it on trial.

    `names` are those of optimizations. `features` are what it excludes others by (capture/compatibility.py).
    `choice` is a parameter whose value a user may choose; the values of all others a technique has to stand.
    """

    number: int
    title: str
    names: tuple[str, ...]
    features: tuple[str, ...] = ()
    choice: str = ""
    problems: tuple[Problem, ...] = ("out of memory", "too slow")

    @property
    def text(self) -> str:
        """`compiled model (7)`, with the guide's number."""
        return f"{self.title} ({self.number})" if self.number else self.title


_ACCURACY: tuple[Problem, ...] = ("low accuracy",)
_ALL: tuple[Problem, ...] = ("out of memory", "too slow", "low accuracy")

# benchmarks/serving generates; only those of its benchmarks are named here that time a pass over a prompt
TECHNIQUES = (
    Technique(0, "one fused, batched scoring pass", ("scoring_pass",)),
    Technique(0, "structure of the pass", ("guide_targets", "sequence_limits"), choice="structure"),
    Technique(0, "the guide's settings for a GPU", ("hardware_tips",), choice="structure"),
    Technique(0, "only the answer's attention rows", ("detection_rate",)),
    Technique(0, "weights of 16, 8 or 4 bits", ("weight_precision",), choice="precision", problems=_ALL),
    Technique(0, "all features ranked at once", ("regression_stage",)),
    Technique(0, "whole grid at once", ("grid_vectorized",)),
    Technique(
        1, "low-bit weights", ("low_bit_weights", "low_bit_weights_on_gpu"), choice="bits", problems=_ALL
    ),
    Technique(2, "gradient checkpointing", ("gradient_checkpointing",)),
    Technique(
        3, "fused attention", ("fused_attention", "sdpa_attention", "sdpa_memory"), ("fused attention",)
    ),
    Technique(3, "FlashAttention-2", ("flash_attention",), ("fused attention", "FlashAttention-2")),
    Technique(4, "batches by length", ("length_batching",), choice="plan"),
    Technique(5, "CPU offload", ("cpu_offload",), ("device map",)),
    Technique(6, "dynamic batching", ("dynamic_batching", "dynamic_batching_long"), choice="plan"),
    Technique(6, "the guide's table of batches", ("batch_table",), choice="structure"),
    Technique(7, "compiled model", ("compiled_model",), choice="shapes"),
    Technique(8, "feature cache", ("feature_cache",)),
    Technique(9, "one process per device", ("process_per_device",)),
    Technique(10, "compiled score kernels", ("compiled_kernels",)),
    Technique(11, "grid search", ("grid_search",), problems=_ACCURACY),
    Technique(12, "ensembles", ("ensembles",), choice="vote", problems=_ACCURACY),
    Technique(13, "heads by mutual information", ("mutual_information",), problems=_ACCURACY),
    Technique(0, "more training data", ("training_data",), problems=_ACCURACY),
    Technique(14, "threshold tuning", ("threshold_tuning",), problems=_ACCURACY),
    Technique(15, "vLLM", ("vllm_against_nf4", "vllm_against_transformers"), ("vLLM",)),
    Technique(16, "TensorRT", ("tensorrt",), ("TensorRT",)),
    Technique(17, "ONNX Runtime", ("onnx_runtime",), ("ONNX",), choice="weights"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the guide's tree, quoted; `names` are the benchmarks of what it recommends."""

    quote: str
    names: tuple[str, ...] = ()
    band: Band | None = None
    remark: str = ""

    @property
    def quoted(self) -> str:
        """The line in quotation marks."""
        return f'"{self.quote}"'


@dataclass(frozen=True, slots=True)
class Branch:
    """One problem of the guide's tree. `bands` and `by_memory`: whether what helps depends on those."""

    problem: Problem
    quote: str
    steps: tuple[Step, ...]
    bands: tuple[Band, ...] = (*BANDS, BAND_UNKNOWN)
    by_memory: bool = True

    def steps_for(self, band: Band) -> tuple[Step, ...]:
        """What the guide says for these lengths."""
        return tuple(step for step in self.steps if step.band in (None, band) or band == BAND_UNKNOWN)


GUIDE_TREE = (
    Branch(
        "out of memory",
        "Problem: Out of Memory",
        (
            Step("Try: 4-bit quantization -> Still OOM?", ("weight_precision", "low_bit_weights")),
            Step(
                "Try: Reduce sequence length -> Still OOM?",
                remark="another input, not another way to score it",
            ),
            Step(
                "Try: Gradient checkpointing -> Still OOM?", ("gradient_checkpointing",),
                remark="a pass without gradients keeps no activations to save",
            ),
            Step("Try: CPU offload (last resort)", ("cpu_offload",)),
        ),
    ),
    Branch(
        "too slow",
        "Problem: Too Slow",
        (
            Step(
                "Sequences < 2000: Enable batching",
                ("dynamic_batching", "batch_table", "length_batching"),
                BANDS[0],
            ),
            Step(
                "Sequences 2000-6000: Use Flash Attention", ("fused_attention", "flash_attention"), BANDS[1],
                "the guide's own setting is a T4, on which FlashAttention-2 does not run",
            ),
            Step(
                "Sequences > 6000: Reduce length or use gradient checkpointing", ("gradient_checkpointing",),
                BANDS[2], "the guide itself calls checkpointing 20 % slower",
            ),
            Step("Production: Use vLLM or TensorRT", ("vllm_against_nf4", "tensorrt")),
        ),
    ),
    Branch(
        "low accuracy",
        "Problem: Low Accuracy",
        (
            Step("Try: Hyperparameter tuning (grid search)", ("grid_search",)),
            Step("Try: Better attention head selection (MI-based)", ("mutual_information",)),
            Step("Try: Ensemble methods", ("ensembles",)),
            Step("Try: More training data (run on full 17K samples)", ("training_data",)),
            Step("Try: Threshold optimization", ("threshold_tuning",), remark="no threshold changes an AUC"),
        ),
        bands=(BAND_UNKNOWN,),
        by_memory=False,
    ),
)  # fmt: skip


def technique_of(name: str) -> Technique | None:
    """The technique whose benchmark is called `name`."""
    return next((each for each in TECHNIQUES if name in each.names), None)


_LENGTH_PARAMETERS = ("tokens", "longest", "length", "max_length", "sequence_length", "context")
# tokens of the longest sample, on the host and on a card, where a benchmark fixes its lengths itself
_FIXED_LENGTHS: Mapping[str, tuple[int, int]] = {
    "compiled_model": (256, 999),
    "cpu_offload": (867, 867),
    "detection_rate": (867, 867),
    "dynamic_batching": (256, 999),
    "dynamic_batching_long": (1999, 3900),
    "feature_cache": (256, 256),
    "gradient_checkpointing": (256, 256),
    "low_bit_weights_on_gpu": (867, 867),
    "onnx_runtime": (256, 256),
    "process_per_device": (700, 867),
    "tensorrt": (999, 999),
}


def band_of(name: str, parameters: Mapping[str, object], *, on_host: bool = True) -> Band:
    """The band of a cell's length, from its parameters or from what its benchmark is known to take."""
    given = (parameters[key] for key in _LENGTH_PARAMETERS if key in parameters)
    fixed = _FIXED_LENGTHS.get(name)
    length = next(given, None if fixed is None else fixed[0 if on_host else 1])
    if isinstance(length, bool) or not isinstance(length, int | float):
        return BAND_UNKNOWN
    return next((band for band in BANDS if band.low <= length < band.high), BAND_UNKNOWN)
