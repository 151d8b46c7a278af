"""Small random loads with tight memory, rule sets and step times.

Each case comes of one drawn seed: far quicker than drawing every number. All times are short binary
fractions, so that sums of them are exact and ties are real ties.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from harness.costmodel.simulation import AffineStepTime, ClosedLoop, requests_of, sarathi_rules, vllm_rules

SEEDS = st.integers(0, 2**32 - 1)


@dataclass(frozen=True, slots=True)
class BentStepTime:
    """A step time that is not affine: the larger of a constant and the work."""

    floor_s: float
    per_token_s: float
    per_pair_s: float

    def seconds(self, load):
        pairs = load.prefill_pairs + load.decode_context_tokens
        tokens = load.prefill_tokens + load.decode_sequences
        return max(self.floor_s, self.per_token_s * tokens) + self.per_pair_s * pairs

    def decode_seconds(self, sequences, context_tokens, steps):
        context = context_tokens + sequences * np.arange(steps)
        return max(self.floor_s, self.per_token_s * sequences) + self.per_pair_s * context


def random_load(rng, most=24):
    count = int(rng.integers(1, most))
    prompts = rng.integers(1, rng.choice([3, 12, 50]), count)
    outputs = rng.integers(1, rng.choice([2, 5, 40]), count)
    arrived_s = np.cumsum(rng.integers(0, rng.choice([1, 10, 60]), count)) / 64
    group = rng.integers(-1, rng.choice([1, 3]), count)
    prefix = (rng.choice([0.3, 0.8, 1.0], count) * prompts).astype(int)
    return requests_of(arrived_s, prompts, outputs, prefix_group=group, prefix_tokens=prefix)


def random_vllm_rules(rng):
    sequences = int(rng.integers(1, 8))
    return vllm_rules(
        sequences + int(rng.integers(0, 40)),
        sequences,
        block_tokens=int(rng.integers(1, 6)),
        chunked_prefill=bool(rng.random() < 0.7),
        prefix_caching=bool(rng.random() < 0.8),
        prompt_must_fit=bool(rng.random() < 0.5),
        watermark=float(rng.choice([0.0, 0.1])),
    )


def random_sarathi_rules(rng):
    sequences = int(rng.integers(1, 8))
    return sarathi_rules(
        sequences + int(rng.integers(0, 40)),
        sequences,
        block_tokens=int(rng.integers(1, 6)),
        watermark=float(rng.choice([0.0, 0.1])),
    )


def random_step_time(rng):
    if rng.random() < 0.5:
        return BentStepTime(1 / 16, rng.choice([1 / 128, 1 / 32]), rng.choice([0.0, 1 / 8192]))
    return AffineStepTime(
        rng.choice([1 / 64, 1 / 8]), rng.choice([0.0, 1 / 256]), rng.choice([0.0, 1 / 4096])
    )


def random_blocks(rng, requests, rules):
    """Around what the longest request needs: some fit alone only, one or two may never."""
    longest = int((requests.prompt_tokens + requests.output_tokens).max())
    return max(1, -(-longest // rules.block_tokens) + int(rng.integers(-1, 10)))


def random_closed_loop(rng):
    return None if rng.random() < 0.7 else ClosedLoop(int(rng.integers(1, 6)), rng.choice([0.0, 1 / 32]))
