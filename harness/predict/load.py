"""The load of a prediction, from the command line: requests, when they come, and what is a good answer."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.costmodel.simulation import ClosedLoop, Requests, poisson_arrivals, requests_of
from harness.costmodel.simulation.outcome import Limits
from harness.costmodel.simulation.trace import read_trace
from harness.errors import HarnessError

_MOST_REQUESTS = 1_000_000
_THREADS = 16


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is asked, how often, how long it may take."""
    parser.add_argument("--prompt-tokens", type=int, default=900, metavar="N", help="of each [%(default)s]")
    parser.add_argument("--output-tokens", type=int, default=150, metavar="N", help="of each [%(default)s]")
    parser.add_argument(
        "--shared-prefix", type=int, default=0, metavar="N", help="tokens that all prompts begin with [0]"
    )
    parser.add_argument("--requests", type=int, default=256, metavar="N", help="how many [%(default)s]")
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--threads", type=int, metavar="N", help=f"clients that wait for answers [{_THREADS}]")
    when.add_argument("--rate", type=float, metavar="R", help="requests per second, Poisson")
    when.add_argument(
        "--trace", type=Path, metavar="FILE", help="CSV: arrived_s, prompt_tokens, output_tokens"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the arrivals [%(default)s]")
    parser.add_argument(
        "--ttft-limit-s", type=float, default=math.inf, metavar="S", help="first token, for goodput [none]"
    )
    parser.add_argument(
        "--itl-limit-s", type=float, default=math.inf, metavar="S", help="between tokens, for goodput [none]"
    )


def load_of(options: argparse.Namespace) -> tuple[Requests, ClosedLoop | None]:
    """The requests, and the threads that send them unless they come by themselves.

    HarnessError for counts out of range.
    """
    if options.trace is not None:
        return read_trace(options.trace), None
    count = _within("--requests", options.requests, 1, _MOST_REQUESTS)
    for flag, value in (
        ("--prompt-tokens", options.prompt_tokens),
        ("--output-tokens", options.output_tokens),
    ):
        _within(flag, value, 1, 10**7)
    _within("--shared-prefix", options.shared_prefix, 0, options.prompt_tokens - 1)
    _within("--seed", options.seed, 0, 2**63 - 1)
    shared = options.shared_prefix
    requests = requests_of(
        np.zeros(count),
        options.prompt_tokens,
        options.output_tokens,
        prefix_group=0 if shared else -1,
        prefix_tokens=shared,
    )
    if options.rate is not None:
        return replace(requests, arrived_s=poisson_arrivals(options.rate, count, options.seed)), None
    threads = _THREADS if options.threads is None else options.threads
    return requests, ClosedLoop(_within("--threads", threads, 1, count if count > threads else 10**6))


def limits_of(options: argparse.Namespace) -> Limits:
    """HarnessError for a limit that is not above 0."""
    for flag, value in (("--ttft-limit-s", options.ttft_limit_s), ("--itl-limit-s", options.itl_limit_s)):
        if not value > 0.0:
            raise HarnessError(f"is {value}", where=flag, allowed="seconds above 0")
    return Limits(options.ttft_limit_s, options.itl_limit_s)


def _within(flag: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise HarnessError(f"is {value}", where=flag, allowed=f"{least:,} to {most:,}")
    return value
