"""Engines without continuous batching: padded static batches, and one request at a time."""

from __future__ import annotations

import math

import numpy as np

from harness.costmodel.load import StepTime, prefill_load
from harness.costmodel.simulation.requests import EngineTotals, Ints, Requests, Served
from harness.costmodel.simulation.step_time import leap_of
from harness.costmodel.simulation.workload import Arrivals, ClosedLoop
from harness.errors import HarnessError


def simulate_static(
    requests: Requests, *, max_sequences: int, step_time: StepTime, closed: ClosedLoop | None = None
) -> Served:
    """Serve `requests` in batches of those that wait when the last batch is done, at most `max_sequences`.

    Every prompt of a batch is padded to its longest, every sequence computed until the longest output ends,
    and only then is any answer complete: plain `generate` of a batch. Memory is not accounted for, so
    nothing is refused or restarted. HarnessError for no sequence, or a step time that is no time.
    """
    if max_sequences < 1:
        raise HarnessError(f"a batch of {max_sequences}", where="static batching", allowed="from 1")
    count = len(requests)
    arrivals = Arrivals(requests, closed)
    at_s = arrivals.view
    first_token_s, completed_s = np.empty(count), np.empty(count)
    now_s = busy_s = sequence_s = 0.0
    head = steps = computed = 0
    while head < count:
        now_s = max(now_s, at_s[head])
        last = min(head + max_sequences, count)
        end = head + int(np.searchsorted(arrivals.arrived_s[head:last], now_s, side="right"))
        prompt = int(requests.prompt_tokens[head:end].max())
        output = int(requests.output_tokens[head:end].max())
        prefill_s, decode_s = batch_seconds(step_time, end - head, prompt, output)
        first_token_s[head:end] = now_s + prefill_s
        now_s += prefill_s + decode_s
        completed_s[head:end] = now_s
        busy_s += prefill_s + decode_s
        sequence_s += (end - head) * (prefill_s + decode_s)
        steps += output
        computed += (end - head) * (prompt + output - 1)
        for _ in range(head, end):
            arrivals.answered(now_s)
        head = end
    asked = int(requests.prompt_tokens.sum() + requests.output_tokens.sum()) - count
    totals = EngineTotals(steps, busy_s, sequence_s, 0.0, 0, 0, computed, computed - asked)
    none: Ints = np.zeros(count, dtype=np.int64)
    return Served(arrivals.arrived_s, first_token_s, completed_s, none, none.copy(), totals)


def simulate_sequential(
    requests: Requests, *, step_time: StepTime, closed: ClosedLoop | None = None
) -> Served:
    """Serve `requests` one at a time, first come first served: a static batch of one, without padding."""
    return simulate_static(requests, max_sequences=1, step_time=step_time, closed=closed)


def batch_seconds(step_time: StepTime, sequences: int, prompt: int, output: int) -> tuple[float, float]:
    """(prefill, decode) seconds of equal sequences that start together and give `output` tokens each."""
    prefill_s = step_time.seconds(prefill_load(prompt, sequences))
    decode_s, context, left, leap = 0.0, sequences * (prompt + 1), output - 1, leap_of(step_time)
    while left:
        steps, seconds = leap(sequences, context, left, math.inf)
        decode_s += seconds
        context += steps * sequences
        left -= steps
    if not 0.0 <= prefill_s + decode_s < math.inf:
        raise HarnessError(
            f"a batch takes {prefill_s} s and {decode_s} s", where="step time", allowed="finite, from 0"
        )
    return prefill_s, decode_s
