"""How far one model's next-token distributions are from another's, token by token. Pure numpy.

Both models see the same tokens (teacher forcing), so each row of their logits predicts the same token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.measure.resampling import bca_interval, resampled_totals

Floats = NDArray[np.float64]

# Values of one block of rows in float64: 32 MB, whatever the vocabulary.
_BLOCK = 4_000_000


@dataclass(frozen=True, slots=True)
class TokenDistances:
    """One prompt, both [tokens]: `kl` in nats, and whether the likeliest token is another (`flips`)."""

    kl: Floats
    flips: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Distances:
    """All prompts together: KL divergence per token in nats, and flips as a share of the tokens.

    The intervals are over prompts, whose tokens hang together: a BCa bootstrap of whole prompts. They are
    NaN for one prompt alone.
    """

    prompts: int
    tokens: int
    kl_mean: float
    kl_low: float
    kl_high: float
    kl_p99: float
    kl_max: float
    flips: float
    flips_low: float
    flips_high: float


def log_softmax(logits: NDArray[np.floating]) -> Floats:
    """Log-probabilities of logits [tokens, vocabulary], in float64, without overflow."""
    rows = np.asarray(logits, dtype=np.float64)
    rows = rows - rows.max(axis=1, keepdims=True)
    return np.asarray(rows - np.log(np.exp(rows).sum(axis=1, keepdims=True)))


def token_distances(reference: NDArray[np.floating], quantized: NDArray[np.floating]) -> TokenDistances:
    """KL(reference || quantized) and flips of each token, from logits [tokens, vocabulary].

    Equal logits count as the token with the lower id. Raises ValueError for other shapes and for logits that
    are not finite: such a model has no distribution.
    """
    if reference.ndim != 2 or reference.shape != quantized.shape or not reference.size:
        raise ValueError(f"logits need one shape [tokens, vocabulary]: {reference.shape}, {quantized.shape}")
    rows = max(1, _BLOCK // reference.shape[1])
    starts = range(0, len(reference), rows)
    blocks = [_block(reference[i : i + rows], quantized[i : i + rows]) for i in starts]
    return TokenDistances(
        np.concatenate([block.kl for block in blocks]), np.concatenate([block.flips for block in blocks])
    )


def _block(reference: NDArray[np.floating], quantized: NDArray[np.floating]) -> TokenDistances:
    for name, logits in (("reference", reference), ("quantized", quantized)):
        if not np.isfinite(logits).all():
            raise ValueError(f"the {name} model's logits hold NaN or infinity")
    p, q = log_softmax(reference), log_softmax(quantized)
    kl = (np.exp(p) * (p - q)).sum(axis=1)
    # Rounding may leave -1e-17 where the two are nearly equal.
    return TokenDistances(np.maximum(kl, 0.0), reference.argmax(axis=1) != quantized.argmax(axis=1))


def summarise(prompts: Sequence[TokenDistances], *, confidence: float = 0.95, seed: int = 0) -> Distances:
    """Mean, p99 and maximum over all tokens; raises ValueError when there is none."""
    if not sum(prompt.kl.size for prompt in prompts):
        raise ValueError("there are no tokens to compare")
    kl = np.concatenate([prompt.kl for prompt in prompts])
    flips = np.concatenate([prompt.flips for prompt in prompts])
    sizes = [float(prompt.kl.size) for prompt in prompts]
    kl_low, kl_high = _interval([float(prompt.kl.sum()) for prompt in prompts], sizes, confidence, seed)
    low, high = _interval([float(prompt.flips.sum()) for prompt in prompts], sizes, confidence, seed)
    return Distances(
        prompts=len(prompts),
        tokens=kl.size,
        kl_mean=float(kl.sum() / kl.size),
        kl_low=kl_low,
        kl_high=kl_high,
        kl_p99=float(np.quantile(kl, 0.99)),
        kl_max=float(kl.max()),
        flips=float(flips.mean()),
        flips_low=low,
        flips_high=high,
    )


def _interval(
    sums: Sequence[float], sizes: Sequence[float], confidence: float, seed: int
) -> tuple[float, float]:
    """Interval of sum(sums) / sum(sizes), a mean per token, over prompts of different lengths."""
    if len(sums) == 1:
        return float("nan"), float("nan")
    rows = np.column_stack([sums, sizes])
    mean = float(rows[:, 0].sum() / rows[:, 1].sum())
    totals = resampled_totals(rows, seed=seed, resamples=2000)
    with np.errstate(invalid="ignore"):
        replicates = totals[:, 0] / totals[:, 1]
    return bca_interval(mean, replicates, rows[:, 0] - mean * rows[:, 1], confidence)
