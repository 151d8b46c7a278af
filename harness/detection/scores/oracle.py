"""Both scores in float64, slow and obvious: what every faster implementation must agree with.

Definitions: ReDeEP (arXiv 2410.11414), section 3. Row i of a response is the position `prefix - 1 + i`, the
one that predicts its token i.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.detection.scores.options import Divergence

Doubles = NDArray[np.float64]
Whole = NDArray[np.int64]


def external(
    attention_rows: ArrayLike,
    hidden_states: ArrayLike,
    prefix: int,
    k_share: float = 0.1,
    *,
    positions: tuple[int, int] | None = None,
    at_least: int = 1,
) -> Doubles:
    """External context score of one head for each response token, [response], in [-1, 1].

    `attention_rows` [response, at least prefix]: the head's attention at the predicting positions.
    `hidden_states` [at least prefix + response - 1, hidden]: the last layer's, after the final norm.
    `positions` is the range looked at, the whole prefix unless told. The score is the cosine between the mean
    hidden state of the most attended positions and the predicting position's own; NaN where none is taken.
    """
    rows = np.asarray(attention_rows, dtype=np.float64)
    hidden = np.asarray(hidden_states, dtype=np.float64)
    start, end = positions or (0, prefix)
    k = min(end - start, max(at_least, math.floor(k_share * (end - start))))
    scores = np.full(len(rows), math.nan)
    for i, row in enumerate(rows):
        if k:
            attended = hidden[start + top(row[start:end], k)].mean(axis=0)
            scores[i] = cosine(attended, hidden[prefix - 1 + i])
    return scores


def top(weights: ArrayLike, k: int) -> Whole:
    """Indices of the k highest weights; of equal ones the lower index wins."""
    return np.argsort(-np.asarray(weights, dtype=np.float64), kind="stable")[:k].astype(np.int64)


def boundary_gaps(
    attention_rows: ArrayLike,
    prefix: int,
    k_share: float = 0.1,
    *,
    positions: tuple[int, int] | None = None,
    at_least: int = 1,
) -> Doubles:
    """How far each row's last taken weight lies above the first one left out, [response].

    Where it is about the rounding error, two right implementations may take different positions. Infinite
    where nothing or everything is taken.
    """
    rows = np.asarray(attention_rows, dtype=np.float64)
    start, end = positions or (0, prefix)
    k = min(end - start, max(at_least, math.floor(k_share * (end - start))))
    gaps = np.full(len(rows), math.inf)
    for i, row in enumerate(rows):
        ordered = np.sort(row[start:end])[::-1]
        if 0 < k < len(ordered):
            gaps[i] = ordered[k - 1] - ordered[k]
    return gaps


def cosine(a: Doubles, b: Doubles) -> float:
    """The cosine of the angle between two vectors."""
    return float(a @ b / (math.sqrt(a @ a) * math.sqrt(b @ b)))


def parametric(
    mid: ArrayLike,
    after: ArrayLike,
    norm_gain: ArrayLike,
    unembedding: ArrayLike,
    *,
    epsilon: float = 1e-6,
    divergence: Divergence = "jensen_shannon",
) -> Doubles:
    """Parametric knowledge score of one layer for each response token, [response], in nats.

    `mid` and `after` [response, hidden]: the residual stream before and after the layer's feed-forward part,
    at the predicting positions. `norm_gain` [hidden] and `epsilon` are the final norm's, `unembedding`
    [vocabulary, hidden] is the output matrix.
    """
    gain, matrix = np.asarray(norm_gain, dtype=np.float64), np.asarray(unembedding, dtype=np.float64)
    scores = []
    for before, then in zip(np.asarray(mid, np.float64), np.asarray(after, np.float64), strict=True):
        log_p, log_q = (log_softmax(matrix @ rms_norm(state, gain, epsilon)) for state in (before, then))
        log_m = np.logaddexp(log_p, log_q) - math.log(2.0)
        if divergence == "jensen_shannon":
            halves = _kl(log_p, log_m), _kl(log_q, log_m)
        else:
            halves = _kl(log_m, log_p), _kl(log_m, log_q)
        scores.append(sum(halves) / 2.0)
    return np.array(scores, dtype=np.float64)


def rms_norm(state: Doubles, gain: Doubles, epsilon: float) -> Doubles:
    """The state scaled to a root mean square of 1, times the gain; along the last axis."""
    return np.asarray(state / np.sqrt((state**2).mean(axis=-1, keepdims=True) + epsilon) * gain)


def log_softmax(logits: Doubles) -> Doubles:
    """Logarithms of the probabilities."""
    shifted = logits - logits.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))


def _kl(log_p: Doubles, log_q: Doubles) -> Any:
    return (np.exp(log_p) * (log_p - log_q)).sum()
