"""The modelled arms of benchmarks/serving: the documents' deployments and loads, as figures by metric name.

No document says how long its prompts and answers are. The loads here do, each with its reason; a claim is
judged for that load. A model that does not fit on a row is a HarnessError with exit code 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from harness.costmodel.capacity import GIB
from harness.costmodel.constants import load_constants
from harness.costmodel.known_models import find_model
from harness.costmodel.load import prefill_load
from harness.costmodel.memory import activation_bytes, kv_bytes, weight_bytes
from harness.costmodel.serving import Serving, device_memory_bytes, documented, serve, step_time_of
from harness.costmodel.simulation import (
    ClosedLoop,
    Requests,
    outcome_of,
    requests_of,
    simulate_static,
)
from harness.costmodel.simulation.outcome import Outcome
from harness.costmodel.simulation.static import batch_seconds
from harness.costmodel.steptime import EAGER_ENGINE
from harness.errors import EXIT_INFEASIBLE, HarnessError
from harness.hardware.rows import Row

Figures = Mapping[str, float]

_FP8_FROM = 8.0  # vLLM reads FP8 weights from this capability on, through 16-bit products before 8.9


@dataclass(frozen=True, slots=True)
class Load:
    """Equal requests that share the first `shared_tokens` of their prompt."""

    requests: int
    prompt_tokens: int
    output_tokens: int
    shared_tokens: int = 0

    def lengths(self) -> tuple[list[int], list[int]]:
        """Prompt and answer tokens of each request.

        The prompt's own part and the answer are half to one and a half of the mean, uniformly, so that
        sequences do not end in step.
        """
        factors = np.random.default_rng(0).uniform(0.5, 1.5, (2, self.requests))
        own = np.maximum(1, np.rint((self.prompt_tokens - self.shared_tokens) * factors[0]))
        answers = np.maximum(1, np.rint(self.output_tokens * factors[1]))
        return (self.shared_tokens + own).astype(int).tolist(), answers.astype(int).tolist()

    def sent_at_once(self) -> Requests:
        """The requests, all there from the start."""
        group = 0 if self.shared_tokens else -1
        return requests_of(0.0, *self.lengths(), prefix_group=group, prefix_tokens=self.shared_tokens)


GEPA_EVALUATIONS = Load(requests=384, prompt_tokens=900, output_tokens=150, shared_tokens=600)
"""prompt-optimizers.md: 3 examples x 128 evaluations. Assumed: an instruction with examples of 600 tokens
before a passage of 300, an answer of 150 (a list of entities as JSON)."""
LONG_PROMPTS = Load(requests=256, prompt_tokens=2500, output_tokens=150)
"""Prompts near the documented window of 4,096 tokens: where cutting them up could matter."""
COMPANY_CALL = Load(requests=16, prompt_tokens=3000, output_tokens=300)
"""extraction-speed-guide.md says 30 s per call, by its pipeline's time model (0.3 s + 0.5 s per 1,000 tokens
read + 0.09 s per token written) about 3,000 tokens read and 300 written."""
CHAT_ANSWERS = Load(requests=128, prompt_tokens=512, output_tokens=128)
"""detection-optimization-guide.md, Technique 15, names no lengths: an answer from a short context."""


def version() -> str:
    """Version of the shipped constants: the model version of every cell."""
    return load_constants().version


def prompt_serving(row: Row) -> Serving:
    """Qwen3-4B behind vLLM as prompt-optimizers.md deploys it; 16-bit weights where FP8 is not read."""
    capable = float(row.capability or 0.0) >= _FP8_FROM
    return documented(find_model("qwen3-4b"), "fp8" if capable else "fp16", row)


def closed_loop(serving: Serving, load: Load, threads: int) -> Figures:
    """`threads` clients that each send their next request when their last one is answered."""
    requests = load.sent_at_once()
    served = serve(serving, requests, closed=ClosedLoop(threads))
    return serving_figures(outcome_of(requests, served))


def at_once(serving: Serving, load: Load) -> Figures:
    """All requests sent at once, served continuously."""
    requests = load.sent_at_once()
    return serving_figures(outcome_of(requests, serve(serving, requests)))


def in_batches(serving: Serving, load: Load, batch: int) -> Figures:
    """All requests in padded batches by plain `generate`, every kernel launched by the host."""
    eager = replace(serving, engine=EAGER_ENGINE)
    requests = load.sent_at_once()
    longest = int((requests.prompt_tokens + requests.output_tokens).max())
    _require_memory(eager, batch, longest)
    served = simulate_static(requests, max_sequences=batch, step_time=step_time_of(eager))
    return serving_figures(outcome_of(requests, served))


def serving_figures(outcome: Outcome) -> Figures:
    """What the serving benchmarks name as their metrics."""
    return {
        "throughput": outcome.output_tokens_per_s,
        "time_to_first_token_p90": outcome.time_to_first_token_s.p90,
        "inter_token_latency_p99": outcome.inter_token_latency_s.p99,
    }


def _require_memory(serving: Serving, batch: int, tokens: int, kept_bytes: int = 0) -> None:
    """HarnessError where weights, KV cache, activations and what is kept do not fit on one GPU."""
    weights = max(weight_bytes(serving.shape, serving.weights))
    cache = batch * max(kv_bytes(serving.shape, tokens, serving.kv_bits))
    needed = weights + int(cache) + activation_bytes(serving.shape, batch * tokens, batch) + kept_bytes
    there = device_memory_bytes(serving.row)
    if needed > there:
        raise HarnessError(
            f"{serving.shape.name} with {serving.weights.name} weights and {batch} sequences of {tokens:,} "
            f"tokens needs {needed / GIB:.1f} GiB",
            where=serving.row.name,
            allowed=f"{there / GIB:.1f} GiB",
            next_step="take fewer sequences or a smaller model",
            exit_code=EXIT_INFEASIBLE,
        )


# --- extraction: one company ---


@dataclass(frozen=True, slots=True)
class CompanyCalls:
    """extraction-speed-guide.md section 1: one company's calls, by its own example."""

    facilities: int = 2
    groups: int = 12
    section_passes: int = 20
    deep_fields: int = 40
    verification: bool = True

    @property
    def calls(self) -> int:
        """1 + per facility: groups x (1 + section passes), verification, deep extraction."""
        each = self.groups * (1 + self.section_passes) + self.verification + self.deep_fields
        return 1 + self.facilities * each


def company(serving: Serving, calls: CompanyCalls, call: Load = COMPANY_CALL) -> Figures:
    """Seconds of all calls one after the other, each of the load's mean lengths, by plain `generate`."""
    eager = replace(serving, engine=EAGER_ENGINE)
    _require_memory(eager, 1, call.prompt_tokens + call.output_tokens)
    call_s = sum(batch_seconds(step_time_of(eager), 1, call.prompt_tokens, call.output_tokens))
    return {"company_time": calls.calls * call_s, "calls": calls.calls}


# --- detection: samples per minute ---


@dataclass(frozen=True, slots=True)
class DetectionWork:
    """One sample: a forward pass over `tokens`, the last `response` of which are the answer.

    The defaults are medians of the RAGTruth test set for Llama-2-7B.
    """

    tokens: int = 867
    response: int = 184


def captured(serving: Serving, work: DetectionWork, rows: int) -> Figures:
    """Samples per minute of one forward pass each, with the attention of `rows` positions kept.

    Every head's kept rows are written and read once in 16 bits. No lens, no scores, no Python.
    """
    eager = replace(serving, engine=EAGER_ENGINE)
    step_time = step_time_of(eager)
    maps = 2 * eager.shape.layers * eager.shape.heads * rows * work.tokens
    _require_memory(eager, 1, work.tokens, maps)
    seconds = step_time.seconds(prefill_load(work.tokens)) + 2 * maps / step_time.rates.memory
    return {"samples_per_min": 60.0 / seconds}
