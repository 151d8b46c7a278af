"""Tables of scores with a planted signal, as large as the published experiment's, for what needs no model."""

from __future__ import annotations

import numpy as np

from harness.detection.detector.items import Items

EFFECT = 0.4


def planted_items(*, responses: int, chunks: int, heads: int, layers: int, seed: int) -> Items:
    """Half of the responses are hallucinated, in one chunk or more; each column tells it more or less."""
    r = np.random.default_rng(seed)
    owner = np.repeat(np.arange(responses), chunks)
    labels = r.random(responses) < 0.5
    unit_labels = labels[owner] & (r.random(len(owner)) < 0.5)
    unit_labels[::chunks] = labels
    shift = EFFECT * unit_labels[:, None]
    return Items(
        external=r.normal(size=(len(owner), heads)) - shift * r.random(heads),
        parametric=r.normal(size=(len(owner), layers)) + shift * r.random(layers),
        owner=owner,
        unit_labels=unit_labels,
        labels=labels,
        tasks=np.array(["QA", "Data2txt", "Summary"])[r.integers(3, size=responses)],
        groups=np.array([f"source {number}" for number in range(responses)]),
        lengths=r.integers(40, 500, size=responses).astype(float),
        unit_lengths=r.integers(20, 200, size=len(owner)).astype(float),
    )
