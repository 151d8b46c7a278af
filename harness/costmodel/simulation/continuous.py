"""A continuously batching engine: every request of a load through a scheduler's rules, on a virtual clock."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.costmodel.load import StepTime
from harness.costmodel.simulation.requests import Floats, Ints, Requests, Served
from harness.costmodel.simulation.rules import SchedulerRules
from harness.costmodel.simulation.scheduler import Scheduler
from harness.costmodel.simulation.workload import Arrivals, ClosedLoop
from harness.errors import HarnessError


def simulate_continuous(
    requests: Requests,
    rules: SchedulerRules,
    *,
    blocks: int,
    step_time: StepTime,
    closed: ClosedLoop | None = None,
) -> Served:
    """Serve `requests` with `blocks` KV blocks; `closed` makes threads send them instead of their arrivals.

    A request that comes during a step waits for its end. One that can never fit is refused when it comes:
    its prompt with the watermark, or all it would ever hold, exceeds the blocks, or its prompt a whole step
    without chunked prefill. So is one that no longer fits into an empty engine after a restart.
    HarnessError for no block, or a step time that is negative or not finite.
    """
    if blocks < 1:
        raise HarnessError(f"the engine has {blocks} KV blocks", where="simulation", allowed="from 1")
    fits = fitting(requests, rules, blocks)
    if not fits.all():
        served = requests.rows(np.flatnonzero(fits))
        return _with_refused(requests, fits, _serve(served, rules, blocks, step_time, closed))
    return _serve(requests, rules, blocks, step_time, closed)


def fitting(requests: Requests, rules: SchedulerRules, blocks: int) -> NDArray[np.bool_]:
    """Which requests could be served alone, shape [n]; the last output token needs no place in the cache."""
    prompt_blocks = -(-requests.prompt_tokens // rules.block_tokens)
    held = requests.prompt_tokens + requests.output_tokens - 1
    free = blocks - (rules.watermark_blocks(blocks) if rules.watermark_when_idle else 0)
    fits = (prompt_blocks <= free) & (-(-held // rules.block_tokens) <= blocks)
    if not rules.chunked_prefill:
        fits &= requests.prompt_tokens <= rules.max_batched_tokens
    return fits


def _serve(
    requests: Requests, rules: SchedulerRules, blocks: int, step_time: StepTime, closed: ClosedLoop | None
) -> Served:
    arrivals = Arrivals(requests, closed)
    scheduler = Scheduler(requests, rules, blocks, step_time, arrivals)
    scheduler.run()
    return Served(
        arrived_s=arrivals.arrived_s,
        first_token_s=scheduler.first_token_s,
        completed_s=scheduler.completed_s,
        restarts=scheduler.restarts,
        cached_tokens=scheduler.cached_tokens,
        totals=scheduler.totals,
    )


def _with_refused(requests: Requests, fits: NDArray[np.bool_], served: Served) -> Served:
    """The served rows in their places among the refused ones."""

    def floats(column: Floats, missing: Floats | float) -> Floats:
        whole = np.full(len(fits), missing)
        whole[fits] = column
        return whole

    def ints(column: Ints) -> Ints:
        whole = np.zeros(len(fits), dtype=np.int64)
        whole[fits] = column
        return whole

    return Served(
        arrived_s=floats(served.arrived_s, requests.arrived_s),
        first_token_s=floats(served.first_token_s, math.nan),
        completed_s=floats(served.completed_s, math.nan),
        restarts=ints(served.restarts),
        cached_tokens=ints(served.cached_tokens),
        totals=served.totals,
    )
