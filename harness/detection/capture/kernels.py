"""The two scores as matrix products on tensors; what agrees with `scores.oracle`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.detection.scores.options import Divergence

LN2 = math.log(2.0)
SELECTION_ELEMENTS = 2**19
"""Attention scores that are in memory at once: heads x rows of a block x positions."""
THREADED_ELEMENTS = 2**17
"""Attention scores from which on threads save more than they cost."""


def external(groups: Sequence[tuple[Any, Any]], attended: Any, own: Any, k: int) -> Any:
    """External context scores of one sample, float32 [rows, heads], heads in the order of the groups.

    A group is the heads that share a key head: `queries` [heads, rows, width] and `keys` [positions, width]
    as the attention has them, after position embedding. `attended` [positions, hidden] and `own` [rows,
    hidden] are the last layer's normed states. The softmax and its scale keep the order, so neither is
    computed. Rows in blocks: memory does not grow with rows x positions.
    """
    import torch

    heads = sum(len(queries) for queries, _ in groups)
    step = max(1, torch.get_num_threads() * SELECTION_ELEMENTS // (heads * len(attended)))
    found = []
    for start in range(0, len(own), step):
        block = own[start : start + step]
        scores = block.new_empty(heads, len(block), len(attended))
        first = 0
        for queries, keys in groups:
            rows = queries[:, start : start + step].reshape(-1, queries.shape[-1])
            into = scores[first : first + len(queries)].view(len(rows), -1)
            torch.mm(rows, keys.T, out=into)
            first += len(queries)
        found.append(external_of_scores(scores, attended, block, k))
    return torch.cat(found)


def external_of_scores(scores: Any, attended: Any, own: Any, k: int) -> Any:
    """The same from attention [heads, rows, positions], or anything that orders positions as attention does.

    The taken states are added up row by row, which reads a tenth of what a product with a 0/1 matrix reads,
    and not divided by k, which a cosine does not see.
    """
    import torch

    heads, rows, positions = scores.shape
    if not k:
        return torch.full((rows, heads), math.nan, device=own.device)
    indices = taken(scores.reshape(-1, positions), k)
    total = torch.nn.functional.embedding_bag(indices, attended, mode="sum").view(heads, rows, -1)
    along = torch.linalg.vecdot(total, own)
    sizes = torch.linalg.vector_norm(total, dim=-1) * torch.linalg.vector_norm(own, dim=-1)
    return (along / sizes).clamp_(-1.0, 1.0).T


def taken(scores: Any, k: int) -> Any:
    """The k highest positions of each row of [rows, positions], ascending [rows, k]; of equal ones the first.

    On a CPU by numpy, which selects with vector instructions, in as many threads as torch has.
    """
    import torch

    if scores.device.type != "cpu":
        return _taken_on_card(scores, k)
    threads = torch.get_num_threads()
    if threads == 1 or scores.numel() < THREADED_ELEMENTS:
        return torch.from_numpy(_taken_by_numpy(scores.numpy(), k))
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(lambda part: _taken_by_numpy(part, k), np.array_split(scores.numpy(), threads)))
    return torch.from_numpy(np.concatenate(parts))


def _taken_by_numpy(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    rows, positions = scores.shape
    place = positions - k
    limit = np.partition(scores, place, axis=1)[:, place : place + 1]
    chosen = scores >= limit
    flat = np.flatnonzero(chosen)
    if len(flat) > rows * k:
        above, equal = scores > limit, scores == limit
        room = k - np.count_nonzero(above, axis=1, keepdims=True)
        flat = np.flatnonzero(above | (equal & (equal.cumsum(axis=1) <= room)))
    return np.asarray(flat.reshape(rows, k) - np.arange(rows)[:, None] * positions, dtype=np.int64)


def _taken_on_card(scores: Any, k: int) -> Any:
    import torch

    rows, positions = scores.shape
    limit = scores.topk(k, dim=1, sorted=False).values.amin(dim=1, keepdim=True)
    above, equal = scores > limit, scores == limit
    room = k - above.sum(dim=1, keepdim=True)
    flat = (above | (equal & (equal.cumsum(dim=1) <= room))).flatten().nonzero()
    return flat.view(rows, k) - torch.arange(rows, device=scores.device)[:, None] * positions


def divergence_of_logits(first: Any, second: Any, divergence: Divergence) -> Any:
    """Divergence in nats of softmax(first) and softmax(second), float32 [rows] of [rows, vocabulary] each.

    Overwrites its arguments. By entropies: the Jensen-Shannon divergence is H(M) - (H(P) + H(Q)) / 2, and
    H(P) = log Z - E_P[z] needs no logarithm of a probability that may have underflowed.
    """
    import torch

    p, mean_p, log_p = _softmax(first)
    q, mean_q, log_q = _softmax(second)
    double = p.add_(q)
    tiny = torch.finfo(double.dtype).tiny
    # M = double / 2, so that the sum of M log M is half of this, less ln 2
    negative = 0.5 * _dot(double, torch.clamp_min(double, tiny).log_()) - LN2
    if divergence == "jensen_shannon":
        return (0.5 * (mean_p + mean_q - log_p - log_q) - negative).clamp_(0.0, LN2)
    cross = 0.25 * _dot(double, first + second)
    return negative - cross + 0.5 * (log_p + log_q)


def _softmax(logits: Any) -> tuple[Any, Any, Any]:
    """Probabilities, the mean logit under them, and log Z, after the highest logit is taken off in place."""
    logits -= logits.amax(dim=-1, keepdim=True)
    p = logits.softmax(dim=-1)
    # the highest logit is 0 now, so that its probability is 1 / Z
    return p, _dot(p, logits), -p.amax(dim=-1).log()


def _dot(a: Any, b: Any) -> Any:
    import torch

    return torch.linalg.vecdot(a, b)
