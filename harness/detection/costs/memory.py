"""Bytes that a scoring pass needs on the busiest GPU, by formulas. A lower bound for the two with maps.

T tokens of the longest sample, B samples, R response rows, L layers on the GPU, H heads, d hidden size, V
vocabulary; activations in 16 bits. Weights, KV cache and activations are `harness.costmodel.memory`'s.
Not counted: what an allocator keeps, the caller's copies, workspaces of libraries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.costmodel.memory import activation_bytes, kv_bytes, kv_layer_bytes, stage_layers, weight_bytes
from harness.costmodel.parameters import layer_kinds, layer_linears
from harness.costmodel.precision import precision_of
from harness.costmodel.serving import device_memory_bytes
from harness.detection.capture.fast import LENS_ROWS
from harness.detection.capture.kernels import SELECTION_ELEMENTS
from harness.detection.costs.structures import Batch, Setting, equal_samples

MAP_BYTES = 2
"""One weight of a kept attention map."""
EAGER_BYTES = 6
"""Beside the map, while a layer's softmax runs (transformers, `eager_attention_forward`): the scores before
it in 16 bits, and its result in float32 before that becomes the map."""
LENS_BLOCK_BYTES = 10
"""Per logit of a block: float32 logits and probabilities, and for half of them the logarithm's copy
(`kernels.divergence_of_logits`)."""
SELECTION_BYTES = 22
"""Per score of a block: itself in float32, two masks, a count and its sum in 64 bits
(`kernels._taken_on_card`)."""
HOST_THREADS = 4
"""`kernels.external` takes a block of scores for each of torch's threads, one row at least; assumed."""
MOST_TOKENS = 2**20
MOST_SAMPLES = 2**14


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes by part on one GPU."""

    weights: float
    activations: float
    cache: float
    maps: float
    states: float
    lens: float

    @property
    def total(self) -> float:
        """Bytes of all parts."""
        return self.weights + self.activations + self.cache + self.maps + self.states + self.lens


def memory(setting: Setting, batch: Batch) -> Memory:
    """What the GPU that needs most of it needs."""
    return max((_stage(setting, batch, stage) for stage in range(setting.stages)), key=lambda it: it.total)


def there(setting: Setting) -> int:
    """Bytes that a program may use of one of the row's GPUs."""
    return device_memory_bytes(setting.row)


def fits(setting: Setting, batch: Batch) -> bool:
    """Whether memory is enough; the model's window is another question."""
    return memory(setting, batch).total <= there(setting)


def largest_batch(setting: Setting, tokens: int) -> int:
    """The most samples of `tokens` tokens that fit at once, 0 where one does not; MOST_SAMPLES at most."""
    return _last_true(lambda count: fits(setting, equal_samples(tokens, count)), MOST_SAMPLES, 1)


def longest_sample(setting: Setting, count: int = 1) -> int:
    """The most tokens of which `count` samples fit, 0 where two do not; MOST_TOKENS at most."""
    return _last_true(lambda tokens: fits(setting, equal_samples(tokens, count)), MOST_TOKENS, 2)


def _stage(setting: Setting, batch: Batch, stage: int) -> Memory:
    shape, structure = setting.shape, setting.structure
    layers = len(stage_layers(shape.layers, setting.stages)[stage])
    is_last = stage == setting.stages - 1
    size, longest = len(batch.samples), batch.longest
    pairs = size * longest**2
    maps = cache = 0.0
    if structure.keeps_maps:
        # L maps of B H T^2, one layer's scores and softmax, and the mask of B T^2
        maps = shape.heads * pairs * (MAP_BYTES * layers + EAGER_BYTES) + MAP_BYTES * pairs
        cache = size * kv_bytes(shape, longest, 16.0, 1, setting.stages)[stage]
    return Memory(
        weights=weight_bytes(shape, setting.weights, 1, setting.stages)[stage],
        activations=activation_bytes(shape, batch.tokens, size) + _unpacked(setting),
        cache=cache,
        maps=maps,
        states=_states(setting, batch, layers),
        lens=_lens(setting, batch) if is_last else 0.0,
    )


def _unpacked(setting: Setting) -> float:
    """The largest matrix in 16 bits where few-bit weights are unpacked before their product."""
    if precision_of(setting.weights).unpacking != "separate":
        return 0.0
    shape = setting.shape
    return 2.0 * max(one.weights for kind, _ in layer_kinds(shape) for one in layer_linears(shape, kind))


def _states(setting: Setting, batch: Batch, layers: int) -> float:
    """States that stay, 16 bits: published L + 1 of B T d; else the R rows before and after each layer, or
    of one layer where they are streamed. Then float32 copies of the last states and what the selected heads
    keep and add up: keys of T, queries of R, states of R, one head of a layer.
    """
    shape, structure = setting.shape, setting.structure
    state = batch.tokens * shape.hidden
    if structure.looks_everywhere:
        return 2.0 * (layers + 1) * state
    rows = batch.responses * shape.hidden
    kept = 2.0 * 2 * rows * (layers if structure.keeps_maps else 1)
    scores = max(layers * batch.longest, HOST_THREADS * SELECTION_ELEMENTS)
    sums = 4.0 * layers * rows + SELECTION_BYTES * scores
    keys = 0.0
    if not structure.keeps_maps:
        # keys of one head in 16 bits, of which kv_layer_bytes has all and their values
        keys = batch.tokens * layers * kv_layer_bytes(shape, 16.0) / (2 * shape.kv_heads)
        keys += 4.0 * layers * batch.responses * shape.head_width
    return 4.0 * state + kept + sums + keys


def _lens(setting: Setting, batch: Batch) -> float:
    """Published: logits before and after each of all layers at B T positions in 16 bits, where the output
    matrix lies (float32, as `straightforward` keeps them, is twice that). Else those of a block of rows.
    """
    shape = setting.shape
    if setting.structure.looks_everywhere:
        return 2.0 * 2 * shape.layers * batch.tokens * shape.vocabulary
    return 2.0 * LENS_BLOCK_BYTES * min(LENS_ROWS, batch.responses) * shape.vocabulary


def _last_true(holds: Callable[[int], bool], most: int, least: int) -> int:
    """The largest whole number up to `most` for which a question that turns to no once is still yes."""
    if not holds(least):
        return 0
    low, high = least, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
