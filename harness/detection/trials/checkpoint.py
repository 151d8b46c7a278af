"""The checkpoint of a row made ready to score: the embedded model on a CPU, Llama-2-7B on cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.detection.capture.anatomy import anatomy_of
from harness.detection.capture.loading import Loading, load
from harness.detection.trials.passes import Ready


def loaded(folder: Path, loading: Loading) -> Any:
    """The model in evaluation mode."""
    return load(str(folder), loading)


def on_card(*, maps: bool = False, nf4: bool = True) -> Loading:
    """On one card as the guide loads it: NF4 weights or 16 bits; with attention `maps`, eager."""
    precision: Any = "float32" if nf4 else "float16"
    return Loading(device="cuda", precision=precision, nf4=nf4, attention="eager" if maps else None)


def on_host(*, maps: bool = False) -> Loading:
    """On the CPU in float32."""
    return Loading(attention="eager" if maps else None)


def ready_from(folder: Path, loading: Loading) -> Ready:
    """All heads and layers of a small model on a CPU; on cards one head of each layer, as many as the
    paper lists.
    """
    model = loaded(folder, loading)
    anatomy = anatomy_of(model)
    layers = tuple(range(len(anatomy.layers)))
    per_layer = range(anatomy.heads if loading.device == "cpu" else 1)
    return Ready(model, tuple((layer, head) for layer in layers for head in per_layer), layers)
