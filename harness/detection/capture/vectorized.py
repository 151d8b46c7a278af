"""Between both ends: one sample at a time, eager attention, all maps; but no loop over tokens or heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.detection.capture.anatomy import Anatomy, Head, anatomy_of, require_heads, require_length
from harness.detection.capture.compatibility import require_attention_maps
from harness.detection.capture.fast import parametric
from harness.detection.capture.kernels import external_of_scores
from harness.detection.sample import Sample, Scores
from harness.detection.scores.options import PAPER, Scoring


def score_vectorized(
    model: Any,
    samples: Sequence[Sample],
    heads: Sequence[Head],
    layers: Sequence[int],
    scoring: Scoring = PAPER,
) -> list[Scores]:
    """The scores that `fast.score` gives, with what one would change first in the published code.

    Raises HarnessError like `fast.score`, and for a model whose attention gives no maps.
    """
    anatomy = anatomy_of(model)
    require_attention_maps(model)
    require_heads(anatomy, heads, layers)
    require_length(anatomy, max((len(sample.tokens) for sample in samples), default=0))
    return [_score_one(anatomy, sample, heads, layers, scoring) for sample in samples]


def _score_one(
    anatomy: Anatomy, sample: Sample, heads: Sequence[Head], layers: Sequence[int], scoring: Scoring
) -> Scores:
    import torch

    rows = slice(sample.prefix - 1, len(sample.tokens) - 1)
    before: list[Any] = []
    after: list[Any] = []
    hooks = []
    for layer in anatomy.layers:
        hooks += [
            layer.post_attention_layernorm.register_forward_pre_hook(
                lambda _, given: before.append(given[0][0, rows])
            ),
            layer.register_forward_hook(lambda _, __, output: after.append(output[0, rows])),
        ]
    with torch.inference_mode():
        try:
            device = anatomy.body.embed_tokens.weight.device
            output = anatomy.body(torch.tensor([sample.tokens], device=device), output_attentions=True)
        finally:
            for hook in hooks:
                hook.remove()
        start, end = scoring.positions(sample)
        states = output.last_hidden_state[0].float()
        outside = np.empty((sample.response, 0), dtype=np.float32)
        if heads:
            maps = torch.stack([output.attentions[layer][0, head, rows, start:end] for layer, head in heads])
            own, attended = states[rows], states[start:end]
            outside = external_of_scores(maps, attended, own, scoring.taken(end - start)).cpu().numpy()
        inside = np.empty((sample.response, len(layers)), dtype=np.float32)
        for column, layer in enumerate(layers):
            inside[:, column] = parametric(anatomy, before[layer], after[layer], scoring)
    return Scores(outside, inside)
