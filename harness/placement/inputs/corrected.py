"""Corrected rate and memory model of one stage: prefill and decode of a model of its real shape.

What the documented model leaves out and this one has: the KV cache of every layer with grouped-query
attention, a gated MLP of its real width, causal attention, decode. A roofline from the cards'
figures, not a measurement; `harness.costmodel` takes its place when it exists.

A stage serves batches of B requests, S tokens in and O out. Prompts run one after another, as engines
do that prefill in chunks; each decode step takes the whole batch. The embedding tables count as
memory only; hidden states on their way through memory are left out. A stage's memory holds one batch:
with several stages that pass batches around, those elsewhere in the pipeline are not counted.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.placement.inputs.model_shapes import ModelShape, config_shape, real_shape
from harness.placement.problem import Config, Floats, GpuType, Problem
from harness.placement.rates import GIB, RateModel, filling_layers, spec_of, tp_efficiency


def corrected_problem(problem: Problem) -> Problem:
    """The same pool for the model as it really is: layers, widths and heads; the weight of a layer in GiB.

    HarnessError where the model is not known by name and the config does not describe it.
    """
    config = problem.config
    shape = real_shape(config)
    weight_gb = shape.layer_parameters() * config.bytes_per_element / GIB
    real = replace(
        config,
        num_decoder_layers=shape.layers,
        d_model=shape.d_model,
        d_hidden=shape.d_hidden,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        vocab_size=shape.vocabulary,
        layer_weight_memory_gb=weight_gb,
        min_layers_per_stage=min(config.min_layers_per_stage, shape.layers),
    )
    return replace(problem, config=real)


def prompt_s(config: Config, gpu: GpuType, tp: int) -> float:
    """Seconds of one prompt in one layer: the slower of its operations and of its bytes.

    S*(2W + 2SD) operations, W the layer's weights, half of all token pairs being masked; the weights
    are read and the prompt's keys and values written once.
    """
    shape, tokens = config_shape(config), config.sequence_length
    operations = tokens * (2.0 * shape.layer_parameters() + 2.0 * tokens * shape.d_model)
    elements = shape.layer_parameters(tp) + 2.0 * tokens * shape.key_value_width(tp)
    return _layer_s(config, gpu, tp, operations, elements)


def decode_step_s(config: Config, gpu: GpuType, tp: int) -> float:
    """Seconds in one layer of one more token for each of B requests, half of the output being there.

    B*(2W + 4cD) operations at a context of c = S + O/2 tokens; weights and B caches of c tokens are read.
    """
    shape, batch = config_shape(config), config.batch_size
    context = config.sequence_length + config.output_length / 2
    operations = batch * (2.0 * shape.layer_parameters() + 4.0 * context * shape.d_model)
    elements = shape.layer_parameters(tp) + 2.0 * batch * context * shape.key_value_width(tp)
    return _layer_s(config, gpu, tp, operations, elements)


def _layer_s(config: Config, gpu: GpuType, tp: int, operations: float, elements: float) -> float:
    """The roofline of `tp` GPUs: operations over all of them, elements moved by each one."""
    spec = spec_of(gpu)
    compute_s = operations / (spec.tflops * 1e12 * spec.efficiency * tp)
    memory_s = elements * config.bytes_per_element / (spec.memory_gb_per_s * 1e9)
    return max(compute_s, memory_s) / tp_efficiency(tp)


def request_s(config: Config, gpu: GpuType, tp: int) -> float:
    """Seconds that one layer is busy per request: its prompt, and its share of O steps of its batch."""
    steps = config.output_length * decode_step_s(config, gpu, tp)
    return prompt_s(config, gpu, tp) + steps / config.batch_size


def tokens_per_s(config: Config, gpu: GpuType, tp: int) -> Floats:
    """Tokens/s that a stage processes, prompts and answers together: (S + O) / seconds per request.

    Per number of layers, shape (layers + 1,); 0 for none, and where `tp` does not divide the heads.
    """
    rates = np.zeros(config.num_decoder_layers + 1)
    if _heads_share_out(config, tp):
        layers = np.arange(1, len(rates))
        rates[1:] = (config.sequence_length + config.output_length) / (layers * request_s(config, gpu, tp))
    return rates


def prefill_s(config: Config, gpu: GpuType, tp: int) -> Floats:
    """Seconds of one prompt in a stage, per number of layers; infinite where it cannot be."""
    seconds = np.full(config.num_decoder_layers + 1, np.inf)
    if _heads_share_out(config, tp):
        seconds[1:] = np.arange(1, len(seconds)) * prompt_s(config, gpu, tp)
    return seconds


def stage_memory_gb(config: Config, tp: int) -> Floats:
    """GiB per GPU of a stage: weights, KV cache, working set and embedding tables; shape (layers,), from 1.

    KV cache n*B*(S+O)*2*width*b for the batch. Working set: one prompt's hidden states in and out, and
    the widest pair inside a layer, gate and up of the MLP (or query and attention output). Which
    stage comes first or last is open, so each has room for one table; one of all layers for both.
    """
    shape = config_shape(config)
    layers = np.arange(1.0, shape.layers + 1)
    tokens = config.sequence_length + config.output_length
    live_tokens = max(config.sequence_length, config.batch_size)
    elements: Floats = (
        layers * shape.layer_parameters(tp)
        + layers * config.batch_size * tokens * 2.0 * shape.key_value_width(tp)
        + live_tokens * _live_width(shape, tp)
        + np.where(layers == shape.layers, 2, 1) * shape.vocabulary * shape.d_model / tp
    )
    return elements * config.bytes_per_element / GIB


def _live_width(shape: ModelShape, tp: int) -> float:
    return 2.0 * shape.d_model + 2.0 * max(shape.d_hidden, shape.d_model) / tp


def layer_range(config: Config, gpu: GpuType, tp: int) -> tuple[int, int]:
    """Fewest and most layers a stage on `tp` GPUs of this type may hold; (1, 0) when none fits.

    None where `tp` does not divide the attention heads, which no engine splits.
    """
    if not _heads_share_out(config, tp):
        return 1, 0
    return filling_layers(config, gpu, stage_memory_gb(config, tp))


def _heads_share_out(config: Config, tp: int) -> bool:
    return config_shape(config).heads % tp == 0


CORRECTED_RATES = RateModel("corrected", layer_range, tokens_per_s, prefill_s)
