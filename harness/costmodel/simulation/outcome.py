"""What a run amounts to: latency percentiles, throughput, goodput, use of the engine, cost and energy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.costmodel.simulation.requests import Floats, Requests, Served
from harness.errors import HarnessError


@dataclass(frozen=True, slots=True)
class Distribution:
    """Mean and percentiles (linear interpolation, numpy's default); NaN of nothing."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run in figures. Everything is modelled: no clock but the virtual one was read.

    `end_s` is the time of the last answer, counted from 0, and the time that rates refer to; tokens are
    those of answered requests. `inter_token_latency_s` is (completed - first token) / (output - 1) of each
    request, undefined for one token. `busy_share` is of `end_s`. `mean_running` sequences and
    `kv_utilisation`, the share of the KV blocks taken, are means over the busy time; the latter is NaN for
    an engine without blocks.
    """

    requests: int
    refused: int
    end_s: float
    output_tokens: int
    requests_per_s: float
    output_tokens_per_s: float
    time_to_first_token_s: Distribution
    inter_token_latency_s: Distribution
    end_to_end_s: Distribution
    restarts: int
    restarted_requests: int
    cached_tokens: int
    steps: int
    busy_share: float
    mean_running: float
    kv_utilisation: float
    peak_kv_utilisation: float
    padding_share: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What a good answer keeps to; infinite: no limit."""

    time_to_first_token_s: float = math.inf
    inter_token_latency_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Goodput:
    """Share of all requests, and requests per second, that kept every limit."""

    share: float
    requests_per_s: float


def time_to_first_token_s(served: Served) -> Floats:
    """From arrival to the first token, shape [n]; NaN where there was none."""
    return served.first_token_s - served.arrived_s


def inter_token_latency_s(requests: Requests, served: Served) -> Floats:
    """(completed - first token) / (output - 1), shape [n]; NaN for one token and refused requests."""
    gaps = requests.output_tokens - 1.0
    return (served.completed_s - served.first_token_s) / np.where(gaps > 0.0, gaps, math.nan)


def outcome_of(requests: Requests, served: Served) -> Outcome:
    """The figures of one run."""
    done, totals = ~served.refused, served.totals
    end_s = float(served.completed_s[done].max(initial=0.0))
    tokens = int(requests.output_tokens[done].sum())
    block_s = totals.blocks * totals.busy_s
    return Outcome(
        requests=len(requests),
        refused=int(np.count_nonzero(~done)),
        end_s=end_s,
        output_tokens=tokens,
        requests_per_s=_ratio(float(np.count_nonzero(done)), end_s),
        output_tokens_per_s=_ratio(tokens, end_s),
        time_to_first_token_s=distribution(time_to_first_token_s(served)[done]),
        inter_token_latency_s=distribution(inter_token_latency_s(requests, served)[done]),
        end_to_end_s=distribution((served.completed_s - served.arrived_s)[done]),
        restarts=int(served.restarts.sum()),
        restarted_requests=int(np.count_nonzero(served.restarts)),
        cached_tokens=int(served.cached_tokens.sum()),
        steps=totals.steps,
        busy_share=_ratio(totals.busy_s, end_s),
        mean_running=_ratio(totals.sequence_s, totals.busy_s),
        kv_utilisation=_ratio(totals.block_s, block_s) if totals.blocks else math.nan,
        peak_kv_utilisation=totals.peak_blocks / totals.blocks if totals.blocks else math.nan,
        padding_share=_ratio(totals.padding_tokens, totals.computed_tokens),
    )


def distribution(values: Floats) -> Distribution:
    """Mean and percentiles of the values that are numbers."""
    known = values[~np.isnan(values)]
    if not known.size:
        return Distribution(*[math.nan] * 5)
    return Distribution(float(known.mean()), *np.percentile(known, (50, 90, 95, 99)).tolist())


def keeps(requests: Requests, served: Served, limits: Limits) -> NDArray[np.bool_]:
    """Which requests were answered within the limits, shape [n]; one token has no gaps that could be long."""
    gap_s = np.where(requests.output_tokens == 1, 0.0, inter_token_latency_s(requests, served))
    in_time = time_to_first_token_s(served) <= limits.time_to_first_token_s
    return ~served.refused & in_time & (gap_s <= limits.inter_token_latency_s)


def goodput_of(requests: Requests, served: Served, limits: Limits) -> Goodput:
    """Goodput under limits: refused requests count as missed."""
    good = int(np.count_nonzero(keeps(requests, served, limits)))
    end_s = float(served.completed_s[~served.refused].max(initial=0.0))
    return Goodput(good / len(requests), _ratio(good, end_s))


def usd_per_million_output_tokens(outcome: Outcome, usd_per_hour: float) -> float:
    """Price of the time from 0 to the last answer, idle or not; NaN without output."""
    _refuse_negative("price", usd_per_hour)
    return usd_per_hour / 3600.0 * 1e6 * outcome.end_s / (outcome.output_tokens or math.nan)


def busy_energy_upper_bound_j(outcome: Outcome, power_limit_w: float) -> float:
    """At most this energy while busy: power limit x busy share x time. What idling takes is left out."""
    _refuse_negative("power limit", power_limit_w)
    return power_limit_w * outcome.busy_share * outcome.end_s


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0


def _refuse_negative(name: str, value: float) -> None:
    if not 0.0 <= value < math.inf:
        raise HarnessError(f"the {name} is {value}", where="outcome", allowed="from 0")
