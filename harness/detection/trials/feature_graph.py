"""A scoring pass as one function of tensors, without hooks: what a compiler or an exporter can follow.

`capture/fast.py` takes what it needs by hooks and a replaced attention function, whose side effects a
compiler must guard and an exporter cannot write down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.detection.capture.anatomy import anatomy_of, require_length
from harness.detection.capture.kernels import LN2, external
from harness.detection.capture.layouts import Layout, Place, padded_batches
from harness.detection.sample import Sample, Scores
from harness.detection.scores.options import PAPER

TOKEN_BUDGET = 768
INPUTS = ("tokens", "rows", "columns")
OUTPUTS = ("states", "queries", "keys", "parametric")

Graph = Callable[[Any, Any, Any], Sequence[Any]]
"""(tokens [B, T], rows [N], columns [N]) -> `OUTPUTS`, N predicting positions: states [B, T, hidden], queries
[layers, heads, N, width], keys [layers, B, key heads, T, width], parametric scores [N, layers]."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of all samples by a graph, and what making the graph ready took so far.

    `compile_s`: seconds of compiling or exporting; `graphs`: how many versions were compiled, 0 where nothing
    is; `size`: bytes of the weights or the file, where that is asked.
    """

    scores: list[Scores]
    compile_s: float = 0.0
    graphs: int = 0
    size: int = 0


def graph_of(model: Any) -> Any:
    """The model's layers and lens as a torch module with the signature of `Graph`, without gradients.

    Raises HarnessError for an architecture that cannot be scored.
    """
    import torch

    anatomy = anatomy_of(model)

    class FeatureGraph(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = anatomy.body, model.lm_head

        def forward(self, tokens: Any, rows: Any, columns: Any) -> tuple[Any, ...]:
            state = self.body.embed_tokens(tokens)
            positions = torch.arange(tokens.shape[1], device=tokens.device)[None]
            angles = self.body.rotary_emb(state, positions)
            queries, keys, known = [], [], []
            for layer in self.body.layers:
                mixed, query, key = _attention(layer.self_attn, layer.input_layernorm(state), angles)
                queries.append(query.transpose(1, 2)[rows, columns].transpose(0, 1))
                keys.append(key)
                before = state + mixed
                state = before + layer.mlp(layer.post_attention_layernorm(before))
                pair = (before[rows, columns], state[rows, columns])
                known.append(_divergence(*(self.head(self.body.norm(it)).float() for it in pair)))
            final = self.body.norm(state).float()
            return final, torch.stack(queries).float(), torch.stack(keys).float(), torch.stack(known, dim=1)

    return FeatureGraph().eval().requires_grad_(False)


def score_by(
    graph: Graph, model: Any, samples: Sequence[Sample], *, token_budget: int = TOKEN_BUDGET
) -> list[Scores]:
    """Scores of all heads and layers, in the order given; what the graph leaves out is done as in `fast`.

    Samples in sorted batches with padding, of at most so many tokens. `model` gives sizes and the device.
    """
    import torch

    anatomy = anatomy_of(model)
    require_length(anatomy, max((len(sample.tokens) - 1 for sample in samples), default=0))
    device = anatomy.body.embed_tokens.weight.device
    found: dict[int, Scores] = {}
    with torch.inference_mode():
        for layout in padded_batches(samples, token_budget):
            given = [torch.from_numpy(array).to(device) for array in inputs_of(layout)]
            states, queries, keys, known = graph(*given)
            first = 0
            for place in layout.places:
                part = slice(first, first + len(place.queries))
                outside = _external(samples[place.number], place, states, queries[:, :, part], keys)
                found[place.number] = Scores(outside.cpu().numpy(), known[part].cpu().numpy())
                first = part.stop
    return [found[number] for number in range(len(samples))]


def inputs_of(layout: Layout) -> tuple[Any, Any, Any]:
    """A batch as the graph takes it, int64."""
    rows, columns = layout.query_rows()
    return layout.tokens, rows.astype(np.int64), columns.astype(np.int64)


def _attention(attention: Any, normed: Any, angles: tuple[Any, Any]) -> tuple[Any, Any, Any]:
    """What attention adds to the stream; queries and keys after position embedding [B, heads, T, width]."""
    import torch

    size, length = normed.shape[:2]

    def heads(project: Any, norm: Any = None) -> Any:
        split = project(normed).view(size, length, -1, attention.head_dim)
        return (split if norm is None else norm(split)).transpose(1, 2)

    query = _rotated(heads(attention.q_proj, getattr(attention, "q_norm", None)), *angles)
    key = _rotated(heads(attention.k_proj, getattr(attention, "k_norm", None)), *angles)
    value, group = heads(attention.v_proj), attention.num_key_value_groups
    mixed = torch.nn.functional.scaled_dot_product_attention(
        query,
        key.repeat_interleave(group, dim=1) if group > 1 else key,
        value.repeat_interleave(group, dim=1) if group > 1 else value,
        is_causal=True,
        scale=attention.scaling,
    )
    joined = mixed.transpose(1, 2).reshape(size, length, -1)
    return attention.o_proj(joined), query, key


def _rotated(vectors: Any, cosines: Any, sines: Any) -> Any:
    import torch

    first, second = vectors.chunk(2, dim=-1)
    return vectors * cosines[:, None] + torch.cat([-second, first], dim=-1) * sines[:, None]


def _divergence(first: Any, second: Any) -> Any:
    """Jensen-Shannon divergence in nats, [N], of the softmax of logits [N, vocabulary] each."""
    import torch

    log_p, log_q = first.log_softmax(dim=-1), second.log_softmax(dim=-1)
    p, q = log_p.exp(), log_q.exp()
    middle = 0.5 * (p + q)
    tiny = torch.finfo(torch.float32).tiny
    each = 0.5 * (p * log_p + q * log_q) - middle * middle.clamp_min(tiny).log()
    return each.sum(dim=-1).clamp(0.0, LN2)


def _external(sample: Sample, place: Place, states: Any, queries: Any, keys: Any) -> Any:
    """External scores [response, layers x heads] of one sample of the batch, the paper's variant."""
    import torch

    start, end = PAPER.positions(sample)
    layers, heads = queries.shape[:2]
    key_heads = keys.shape[2]
    group = heads // key_heads
    groups = [
        (queries[layer, number * group : (number + 1) * group], keys[layer, place.row, number, start:end])
        for layer in range(layers)
        for number in range(key_heads)
    ]
    own = states[place.row][torch.from_numpy(place.queries).to(states.device)]
    return external(groups, states[place.row, start:end], own, PAPER.taken(end - start))
