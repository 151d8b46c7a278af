"""A model's forward pass in float64, written out: what every capture must agree with. For small models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.detection.capture.anatomy import Anatomy, Head, anatomy_of
from harness.detection.sample import Sample, Scores
from harness.detection.scores import oracle
from harness.detection.scores.options import PAPER, Scoring
from harness.detection.scores.oracle import Doubles


@dataclass(frozen=True, slots=True)
class Inside:
    """One sequence of T tokens: per layer the residual stream [T, hidden] before (`mid`) and after (`after`)
    the feed-forward part and the attention [heads, T, T]; `final` [T, hidden], the last layer's normed state.
    """

    mid: tuple[Doubles, ...]
    after: tuple[Doubles, ...]
    attention: tuple[Doubles, ...]
    final: Doubles


def inside(anatomy: Anatomy, tokens: Sequence[int]) -> Inside:
    """Run Llama, Mistral, Qwen2 or Qwen3 on the tokens, float64 from the weights on.

    The cosines and sines of the positions are the model's own, which it defines in float32.
    """
    import torch

    weight, epsilon = _weights(anatomy.model), float(anatomy.model.config.rms_norm_eps)
    with torch.inference_mode():
        anchor = torch.zeros(1, dtype=torch.float32)
        angles = anatomy.body.rotary_emb(anchor, torch.arange(len(tokens))[None])
    cos, sin = (table[0].double().numpy() for table in angles)
    state = weight["model.embed_tokens.weight"][list(tokens)]
    mids, afters, maps = [], [], []
    for number in range(len(anatomy.layers)):
        of = {
            name.split(".", 3)[3]: w
            for name, w in weight.items()
            if name.startswith(f"model.layers.{number}.")
        }
        normed = oracle.rms_norm(state, of["input_layernorm.weight"], epsilon)
        mixed, attention = _attention(anatomy, of, normed, cos, sin, epsilon)
        mid = state + mixed
        normed = oracle.rms_norm(mid, of["post_attention_layernorm.weight"], epsilon)
        gate, up = (normed @ of[f"mlp.{name}_proj.weight"].T for name in ("gate", "up"))
        state = mid + (gate / (1.0 + np.exp(-gate)) * up) @ of["mlp.down_proj.weight"].T
        mids.append(mid)
        afters.append(state)
        maps.append(attention)
    final = oracle.rms_norm(state, weight["model.norm.weight"], epsilon)
    return Inside(tuple(mids), tuple(afters), tuple(maps), final)


def reference_scores(
    model: Any, sample: Sample, heads: Sequence[Head], layers: Sequence[int], scoring: Scoring = PAPER
) -> tuple[Scores, Doubles]:
    """The oracle's scores of one sample in float64, and the gap at the border of the taken positions
    [response, heads]: where it is within rounding, another right implementation may take another position.
    """
    anatomy = anatomy_of(model)
    seen = inside(anatomy, sample.tokens)
    rows = slice(sample.prefix - 1, len(sample.tokens) - 1)
    outside = np.empty((sample.response, len(heads)))
    gaps = np.empty_like(outside)
    asked: Any = {"positions": scoring.positions(sample), "at_least": scoring.at_least}
    for column, (layer, head) in enumerate(heads):
        attention = seen.attention[layer][head, rows]
        outside[:, column] = oracle.external(attention, seen.final, sample.prefix, scoring.k_share, **asked)
        gaps[:, column] = oracle.boundary_gaps(attention, sample.prefix, scoring.k_share, **asked)
    weight = _weights(anatomy.model)
    known = [
        oracle.parametric(
            seen.mid[layer][rows],
            seen.after[layer][rows],
            weight["model.norm.weight"],
            weight["lm_head.weight"],
            epsilon=float(anatomy.model.config.rms_norm_eps),
            divergence=scoring.divergence,
        )
        for layer in layers
    ]
    parametric = np.array(known).T if known else np.empty((sample.response, 0))
    return Scores(outside, parametric), gaps


def _attention(
    anatomy: Anatomy, of: dict[str, Doubles], normed: Doubles, cos: Doubles, sin: Doubles, epsilon: float
) -> tuple[Doubles, Doubles]:
    width = of["self_attn.q_proj.weight"].shape[0] // anatomy.heads

    def project(name: str) -> Doubles:
        out = normed @ of[f"self_attn.{name}_proj.weight"].T + of.get(f"self_attn.{name}_proj.bias", 0.0)
        split = out.reshape(len(normed), -1, width).transpose(1, 0, 2)
        gain = of.get(f"self_attn.{name}_norm.weight")
        return split if gain is None else oracle.rms_norm(split, gain, epsilon)

    query, key = (_rotated(project(name), cos, sin) for name in ("q", "k"))
    key, value = (np.repeat(given, anatomy.group, axis=0) for given in (key, project("v")))
    scores = query @ key.transpose(0, 2, 1) / np.sqrt(width)
    scores[:, np.triu(np.ones(scores.shape[1:], dtype=bool), k=1)] = -np.inf
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    mixed = (weights @ value).transpose(1, 0, 2).reshape(len(normed), -1)
    out = mixed @ of["self_attn.o_proj.weight"].T + of.get("self_attn.o_proj.bias", 0.0)
    return np.asarray(out), np.asarray(weights)


def _rotated(vectors: Doubles, cos: Doubles, sin: Doubles) -> Doubles:
    half = vectors.shape[-1] // 2
    turned = np.concatenate([-vectors[..., half:], vectors[..., :half]], axis=-1)
    return np.asarray(vectors * cos + turned * sin)


def _weights(model: Any) -> dict[str, Doubles]:
    """All weights by name in float64; tied output weights appear under both names."""
    named = {name: weight.detach().double().numpy() for name, weight in model.state_dict().items()}
    named.setdefault("lm_head.weight", named["model.embed_tokens.weight"])
    return named
