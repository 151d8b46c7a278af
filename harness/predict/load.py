"""The load of a prediction, from the command line: requests, when they come, and what is a good answer."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.costmodel.simulation import ClosedLoop, Limits, Requests, poisson_arrivals, requests_of
from harness.costmodel.simulation.trace import read_trace
from harness.errors import HarnessError

_MOST_REQUESTS, _MOST_TOKENS = 1_000_000, 10_000_000
_DEFAULTS = {"prompt_tokens": 900, "output_tokens": 150, "shared_prefix": 0, "requests": 256, "seed": 0}
_THREADS = 16


@dataclass(frozen=True, slots=True)
class Load:
    """The requests, and the threads that send them unless they come by themselves; `said`: both for JSON."""

    requests: Requests
    closed: ClosedLoop | None
    said: Mapping[str, Any]

    @property
    def together(self) -> int:
        """Most requests that may be in the engine at once."""
        count = len(self.requests)
        return count if self.closed is None else min(count, self.closed.threads)

    @property
    def longest_tokens(self) -> int:
        """Prompt and answer of the longest request."""
        return int((self.requests.prompt_tokens + self.requests.output_tokens).max())


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is asked, how often, when, and how long an answer may take."""
    group = parser.add_argument_group("load")
    for name, text in (
        ("prompt_tokens", "of each prompt"),
        ("output_tokens", "of each answer"),
        ("shared_prefix", "tokens that all prompts begin with"),
        ("requests", "how many"),
    ):
        group.add_argument(_flag(name), type=int, metavar="N", help=f"{text} [{_DEFAULTS[name]}]")
    when = group.add_mutually_exclusive_group()
    when.add_argument("--threads", type=int, metavar="N", help=f"clients that wait for answers [{_THREADS}]")
    when.add_argument("--rate", type=float, metavar="R", help="requests per second, Poisson")
    when.add_argument(
        "--trace", type=Path, metavar="FILE", help="CSV: arrived_s, prompt_tokens, output_tokens"
    )
    group.add_argument("--seed", type=int, metavar="N", help=f"of --rate [{_DEFAULTS['seed']}]")
    group.add_argument("--ttft-limit-s", type=float, metavar="S", help="for goodput: until the first token")
    group.add_argument("--itl-limit-s", type=float, metavar="S", help="for goodput: between two tokens")


def load_of(options: argparse.Namespace) -> Load:
    """HarnessError for figures out of range, a bad trace, and options that a trace leaves without meaning."""
    given = {name: value for name in _DEFAULTS if (value := getattr(options, name)) is not None}
    if options.trace is not None:
        for name in given:
            raise HarnessError(f"--trace and {_flag(name)} exclude each other: the trace says it")
        requests = read_trace(options.trace)
        return Load(requests, None, {"trace": str(options.trace), "requests": len(requests)})
    if "seed" in given and options.rate is None:
        raise HarnessError("--seed makes sense with --rate only")
    figures = _checked({**_DEFAULTS, **given})
    if options.rate is None:
        threads = _THREADS if options.threads is None else options.threads
        _within("--threads", threads, 1, _MOST_REQUESTS)
        del figures["seed"]
        return Load(_requests(0.0, figures), ClosedLoop(threads), {**figures, "threads": threads})
    if not 0.0 < options.rate < math.inf:
        raise HarnessError(f"is {options.rate}", where="--rate", allowed="requests per second above 0")
    arrivals = poisson_arrivals(options.rate, figures["requests"], figures["seed"])
    return Load(_requests(arrivals, figures), None, {**figures, "rate_per_s": options.rate})


def limits_of(options: argparse.Namespace) -> Limits | None:
    """None where no limit is given; HarnessError for one that is not above 0."""
    given = (options.ttft_limit_s, options.itl_limit_s)
    for flag, value in zip(("--ttft-limit-s", "--itl-limit-s"), given, strict=True):
        if value is not None and not 0.0 < value < math.inf:
            raise HarnessError(f"is {value}", where=flag, allowed="seconds above 0")
    if given == (None, None):
        return None
    return Limits(*[math.inf if value is None else value for value in given])


def _checked(figures: dict[str, int]) -> dict[str, int]:
    least_and_most = {
        "prompt_tokens": (1, _MOST_TOKENS),
        "output_tokens": (1, _MOST_TOKENS),
        "shared_prefix": (0, figures["prompt_tokens"]),
        "requests": (1, _MOST_REQUESTS),
        "seed": (0, 2**63 - 1),
    }
    for name, (least, most) in least_and_most.items():
        _within(_flag(name), figures[name], least, most)
    return figures


def _requests(arrived_s: Any, figures: Mapping[str, int]) -> Requests:
    shared = figures["shared_prefix"]
    return requests_of(
        arrived_s,
        [figures["prompt_tokens"]] * figures["requests"],
        figures["output_tokens"],
        prefix_group=0 if shared else None,
        prefix_tokens=shared or None,
        where="--rate",
    )


def _within(flag: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise HarnessError(f"is {value}", where=flag, allowed=f"{least:,} to {most:,}")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
