"""The two scores as matrix products on tensors; what agrees with `scores.oracle`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from harness.detection.scores.options import Divergence

LN2 = math.log(2.0)
SELECTION_ELEMENTS = 2**20
"""Attention scores that are in memory at once: heads x rows of a block x positions."""


def external(queries: Any, keys: Any, attended: Any, own: Any, k: int) -> Any:
    """External context scores of one sample, float32 [rows, heads].

    `queries` [heads, rows, width] and `keys` [heads, positions, width] as the attention has them, after
    position embedding; `attended` [positions, hidden] and `own` [rows, hidden] are the last layer's normed
    states. The softmax and its scale keep the order, so neither is computed. Rows in blocks: memory does not
    grow with rows x positions.
    """
    import torch

    heads, rows, positions = queries.shape[0], queries.shape[1], keys.shape[1]
    step = max(1, SELECTION_ELEMENTS // (heads * positions))
    turned = keys.transpose(1, 2)
    blocks = [slice(start, start + step) for start in range(0, rows, step)]
    return torch.cat(
        [external_of_scores(queries[:, block] @ turned, attended, own[block], k) for block in blocks]
    )


def external_of_scores(scores: Any, attended: Any, own: Any, k: int) -> Any:
    """The same from attention [heads, rows, positions], or anything that orders positions as attention does.

    The taken states are summed by a product with a 0/1 matrix, and not divided by k, which a cosine does not
    see.
    """
    import torch

    if not k:
        return torch.full((len(own), len(scores)), math.nan, device=own.device)
    total = taken(scores, k).to(attended.dtype) @ attended
    along = torch.einsum("hrd,rd->rh", total, own)
    sizes = torch.linalg.vector_norm(total, dim=-1).T * torch.linalg.vector_norm(own, dim=-1)[:, None]
    return (along / sizes).clamp_(-1.0, 1.0)


def taken(scores: Any, k: int) -> Any:
    """Which positions of each row [..., positions] are among its k highest; of equal ones the first win."""
    limit = _kth_highest(scores, k)
    chosen = scores >= limit
    too_many = chosen.sum(dim=-1) > k
    if too_many.any():
        rows, limits = scores[too_many], limit[too_many]
        above, equal = rows > limits, rows == limits
        room = k - above.sum(dim=-1, keepdim=True)
        chosen[too_many] = above | (equal & (equal.cumsum(dim=-1) <= room))
    return chosen


def _kth_highest(scores: Any, k: int) -> Any:
    import torch

    if scores.device.type != "cpu":
        return scores.topk(k, dim=-1, sorted=False).values.amin(dim=-1, keepdim=True)
    # numpy selects with vector instructions, torch on a CPU does not
    place = scores.shape[-1] - k
    return torch.from_numpy(np.partition(scores.numpy(), place, axis=-1)[..., place : place + 1])


def divergence_of_logits(first: Any, second: Any, divergence: Divergence) -> Any:
    """Divergence in nats of softmax(first) and softmax(second), float32 [rows] of [rows, vocabulary] each.

    Overwrites its arguments. By entropies: the Jensen-Shannon divergence is H(M) - (H(P) + H(Q)) / 2, and
    H(P) = log Z - E_P[z] needs no logarithm of a probability that may have underflowed.
    """
    import torch

    p, mean_p, log_p = _softmax(first)
    q, mean_q, log_q = _softmax(second)
    double = torch.add(p, q)
    tiny = torch.finfo(double.dtype).tiny
    # M = double / 2, so that the sum of M log M is half of this, less ln 2
    negative = 0.5 * _dot(double, double.clamp_min(tiny).log_()) - LN2
    if divergence == "jensen_shannon":
        return (0.5 * (mean_p + mean_q - log_p - log_q) - negative).clamp_(0.0, LN2)
    cross = 0.25 * _dot(double, first + second)
    return negative - cross + 0.5 * (log_p + log_q)


def _softmax(logits: Any) -> tuple[Any, Any, Any]:
    """Probabilities, their mean logit and the logarithm of their sum; logits are shifted in place."""
    logits -= logits.amax(dim=-1, keepdim=True)
    p = logits.exp()
    total = p.sum(dim=-1, keepdim=True)
    p /= total
    return p, _dot(p, logits), total.log().squeeze(-1)


def _dot(a: Any, b: Any) -> Any:
    import torch

    return torch.linalg.vecdot(a, b)
