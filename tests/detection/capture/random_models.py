"""Tiny random models of every architecture that is scored, and random samples for them."""

from __future__ import annotations

import random

from harness.detection.sample import Sample

VOCABULARY = 61


def model_of(architecture, seed, attention="sdpa", **changes):
    """Random weights, norms and biases too, large enough that heads differ in what they look at."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = {
        "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512, "head_dim": 8,
        "sliding_window": None, "tie_word_embeddings": bool(seed % 2), "pad_token_id": 0,
    } | changes  # fmt: skip
    if architecture == "qwen2":
        del settings["head_dim"]
    config = AutoConfig.for_model(architecture, **settings)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention, dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            centre = 1.0 if "norm" in name else 0.0
            weight.copy_(centre + 0.25 * torch.randn(weight.shape, generator=generator))
    return model.eval()


def samples_of(seed, count, longest=40, shortest=2):
    """Samples of random tokens, some of them with the same prompt."""
    r = random.Random(seed)
    found = []
    for number in range(count):
        if found and r.random() < 0.4:
            other = r.choice(found)
            prompt, context, group = other.tokens[: other.prefix], other.context, other.group
        else:
            length = r.randint(shortest, longest)
            prompt = tuple(r.randrange(VOCABULARY) for _ in range(length))
            start = r.randrange(length)
            context, group = (start, r.randint(start + 1, length)), f"g{number}"
        answer = tuple(r.randrange(VOCABULARY) for _ in range(r.randint(1, 12)))
        labels = tuple(r.random() < 0.3 for _ in answer)
        found.append(Sample(f"s{number}", group, "QA", prompt + answer, len(prompt), context, labels))
    return found


def every_head(model):
    layers, heads = model.config.num_hidden_layers, model.config.num_attention_heads
    return [(layer, head) for layer in range(layers) for head in range(heads)]


def differences(found, wanted, gaps, tie=1e-6):
    """Largest difference of the external and the parametric scores, and how many ties were left out."""
    external, parametric, ties = 0.0, 0.0, 0
    for one, other, gap in zip(found, wanted, gaps, strict=True):
        clear = gap > tie
        ties += int((~clear).sum())
        apart = abs(one.external - other.external)[clear]
        external = max(external, float(apart.max(initial=0.0)))
        parametric = max(parametric, float(abs(one.parametric - other.parametric).max(initial=0.0)))
    return external, parametric, ties
