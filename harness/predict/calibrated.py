"""`harness predict calibrated`: a load on calibrated hardware, by the step time fitted there."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import asdict
from pathlib import Path

from harness.costmodel.calibration import Calibration, read_calibration
from harness.costmodel.simulation import Outcome, goodput_of, outcome_of, simulate_continuous, vllm_rules
from harness.costmodel.simulation.outcome import Distribution
from harness.errors import EXIT_DONE, HarnessError
from harness.predict.load import add_options as add_load_options
from harness.predict.load import limits_of, load_of
from harness.predict.output import json_text

_MOST = 1_000_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `harness predict calibrated`."""
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="what `harness predict calibrate --out` wrote"
    )
    parser.add_argument("--max-seqs", type=int, default=64, metavar="N", help="in a step [%(default)s]")
    add_load_options(parser)


def run(options: argparse.Namespace) -> int:
    """Print what becomes of the load. Memory is not accounted for: a calibration knows times only."""
    found, load, limits = read_calibration(options.file), load_of(options), limits_of(options)
    if not 1 <= options.max_seqs <= _MOST:
        raise HarnessError(f"is {options.max_seqs}", where="--max-seqs", allowed=f"1 to {_MOST:,}")
    served = simulate_continuous(
        load.requests,
        vllm_rules(
            max(found.batch_tokens, options.max_seqs),
            options.max_seqs,
            block_tokens=load.longest_tokens,
            prefix_caching=False,
        ),
        blocks=options.max_seqs + 1,
        step_time=found.step_time,
        closed=load.closed,
    )
    outcome = outcome_of(load.requests, served)
    if options.json:
        document = {
            "model": found.model,
            "engine": found.engine,
            "load": dict(load.said),
            "provenance": {"modelled": found.version, "calibrated_on": found.row},
            "outcome": asdict(outcome),
            "goodput": None if limits is None else asdict(goodput_of(load.requests, served, limits)),
        }
        sys.stdout.write(json_text(document))
    else:
        sys.stdout.write(_text(found, outcome))
    return EXIT_DONE


def _text(found: Calibration, outcome: Outcome) -> str:
    fitted = ", ".join(map(str, sorted({run.sequences for run in found.runs})))
    lines = (
        f"{found.model} on {found.engine}, {found.row}",
        f"modelled, {found.version}, memory not accounted for",
        f"fitted at {fitted} sequences; {outcome.mean_running:.1f} run together here",
        f"throughput           {outcome.output_tokens_per_s:,.0f} tokens/s",
        f"time to first token  {_latency(outcome.time_to_first_token_s)} (p50 / p90 / p99)",
        f"between tokens       {_latency(outcome.inter_token_latency_s)}",
        f"end to end           {_latency(outcome.end_to_end_s)}",
    )
    return "\n".join(lines) + "\n"


def _latency(times: Distribution) -> str:
    if math.isnan(times.p50):
        return "- (no answer has a second token)"
    return " / ".join(f"{value * 1e3:,.1f} ms" for value in (times.p50, times.p90, times.p99))
