"""`harness predict calibrate`: measure a short run, fit a step time, check it where nothing was fitted."""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from harness.costmodel.calibration import CalibratedStepTime, Calibration, Run, calibrate, predicted
from harness.engines.protocol import Engine
from harness.engines.workloads import ORDINARY_IDS, answered, token_requests, vocabulary
from harness.errors import EXIT_DONE, HarnessError
from harness.hardware import load_matrix
from harness.models import embedded
from harness.predict.output import json_text, write_file

GOAL = 0.15
_BATCH_TOKENS = 512
_CONTEXT = 512
_PROMPTS = (2, 4, 8, 16, 32, 64, 128, 256)
_TOGETHER = (8, 32)
_CHECK_PROMPT = 60


@dataclass(frozen=True, slots=True)
class Cell:
    """A run to measure: `sequences` requests at once, of so many prompt and output tokens."""

    sequences: int
    prompt_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Check:
    """One concurrency that was predicted, then measured. `error` is predicted / measured throughput - 1."""

    run: Run
    predicted_tokens_per_s: float

    @property
    def error(self) -> float:
        """Relative error of the prediction."""
        return self.predicted_tokens_per_s / self.run.tokens_per_s - 1.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `harness predict calibrate`."""
    parser.add_argument(
        "model", nargs="?", default=embedded.DEFAULT, metavar="NAME|DIR", help="[%(default)s]"
    )
    parser.add_argument("--precision", default="F16", metavar="NAME", help="of the GGUF file [%(default)s]")
    parser.add_argument(
        "--endpoint", default="", metavar="URL", help="calibrate this vLLM server instead of this machine"
    )
    parser.add_argument("--at", type=int, nargs="+", default=[1, 4], metavar="N", help="concurrencies [1 4]")
    parser.add_argument(
        "--check", type=int, nargs="*", default=[2, 8, 16], metavar="N", help="predict, then measure [2 8 16]"
    )
    parser.add_argument("--tokens", type=int, default=48, metavar="N", help="of each answer [%(default)s]")
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="[%(default)s]")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of prompts and order [%(default)s]")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the calibration as JSON")


def run(options: argparse.Namespace) -> int:
    """Measure, fit, check, print. A prediction that misses the goal is a finding, not a failure."""
    _refuse(options)
    folder = embedded.model_folder(options.model)
    ids = ORDINARY_IDS if options.endpoint else vocabulary(folder)
    fitted_at = [*_prefills(options.at), *_answers(options.at, options.tokens)]
    checked_at = [Cell(n, _CHECK_PROMPT, options.tokens) for n in options.check]
    with open_engine(options, folder) as engine:
        measured = measure(engine, [*fitted_at, *checked_at], ids, options.repeats, options.seed, tell=_tell)
        name = engine.name
    runs, checks = measured[: len(fitted_at)], measured[len(fitted_at) :]
    model, row = folder.name, _host_row(options.matrix)
    if options.endpoint:
        model, row = "the served model", "unknown, behind an endpoint"
    found = calibrate(runs, model=model, engine=name, row=row, batch_tokens=_BATCH_TOKENS)
    if options.out is not None:
        write_file(options.out, json_text(found.document()))
    compared = [_checked(found, one) for one in checks]
    sys.stdout.write(_json(found, compared) if options.json else _text(found, compared))
    return EXIT_DONE


def measure(
    engine: Engine,
    cells: Sequence[Cell],
    ids: range,
    repeats: int,
    seed: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Run]:
    """The median run of each cell, after an unmeasured pass; every repeat takes them in another order."""
    r = random.Random(f"calibration {seed}")
    taken: dict[Cell, list[tuple[float, float]]] = {cell: [] for cell in cells}
    for repeat in range(repeats + 1):
        tell(f"repeat {repeat} of {repeats}" if repeat else "warming up")
        order = list(taken)
        r.shuffle(order)
        for cell in order:
            asked = token_requests(
                ids, [cell.prompt_tokens] * cell.sequences, [cell.output_tokens], seed=r.getrandbits(32)
            )
            began = clock()
            done = answered(engine, asked)
            total_s = clock() - began
            if repeat:
                first_s = max(each.timings.time_to_first_token_s for each in done)
                taken[cell].append((min(first_s, total_s), total_s))
    return [_median(cell, taken[cell]) for cell in cells]


def _median(cell: Cell, times: Sequence[tuple[float, float]]) -> Run:
    first_s, total_s = (statistics.median(column) for column in zip(*times, strict=True))
    return Run(cell.sequences, cell.prompt_tokens, cell.output_tokens, first_s, total_s)


def _host_row(matrix: Path) -> str:
    """llama.cpp is compiled for the CPU, whatever cards there are."""
    return next((row.name for row in load_matrix(matrix).rows.values() if row.kind == "host"), "a CPU")


def _prefills(at: Sequence[int]) -> list[Cell]:
    """Prompts of many lengths at the lowest concurrency, some of them together at the others."""
    lowest, *others = sorted(at)
    return [Cell(lowest, length, 1) for length in _PROMPTS] + [
        Cell(n, length, 1) for n in others for length in _TOGETHER
    ]


def _answers(at: Sequence[int], tokens: int) -> list[Cell]:
    return [Cell(n, prompt, tokens) for n in sorted(at) for prompt in (16, 128)]


def _checked(found: Calibration, one: Run) -> Check:
    _, total_s = predicted(found.step_time, one, found.batch_tokens)
    return Check(one, one.sequences * one.output_tokens / total_s)


def open_engine(options: argparse.Namespace, folder: Path) -> AbstractContextManager[Engine]:
    most = max(*options.at, *options.check, 1)
    if options.endpoint:
        from harness.engines.endpoint import EndpointEngine

        return closing(EndpointEngine(options.endpoint, dialect="vllm", concurrency=most))
    from harness.engines.llama_cpp import LlamaCppEngine
    from harness.models.gguf.quantize import quantize

    return LlamaCppEngine(
        quantize(folder, options.precision),
        parallel=most,
        context_tokens=_CONTEXT,
        batch_tokens=_BATCH_TOKENS,
        prefix_cache=False,
    )


def _refuse(options: argparse.Namespace) -> None:
    if len(set(options.at)) < 2 or min(options.at) < 1:
        raise HarnessError(f"is {options.at}", where="--at", allowed="two or more concurrencies from 1")
    if options.check and min(options.check) < 1:
        raise HarnessError(f"is {options.check}", where="--check", allowed="concurrencies from 1")
    if options.out is not None and not options.out.parent.is_dir():
        raise HarnessError(
            "there is no such folder", where=str(options.out.parent), next_step="make it first"
        )
    room = _CONTEXT - max(128, _CHECK_PROMPT)
    for flag, value, least, most in (
        ("--tokens", options.tokens, 2, room),
        ("--repeats", options.repeats, 3, 1000),
        ("--seed", options.seed, 0, 2**63 - 1),
    ):
        if not least <= value <= most:
            raise HarnessError(f"is {value}", where=flag, allowed=f"{least} to {most}")


def _json(found: Calibration, checks: Sequence[Check]) -> str:
    document: dict[str, Any] = {
        **found.document(),
        "provenance": {"modelled": found.version, "measured": f"{found.engine}, {found.row}"},
        "goal": GOAL,
        "checks": [
            {
                **asdict(each.run),
                "measured_tokens_per_s": each.run.tokens_per_s,
                "predicted_tokens_per_s": each.predicted_tokens_per_s,
                "error": each.error,
                "within_goal": abs(each.error) <= GOAL,
            }
            for each in checks
        ],
    }
    return json_text(document)


def _text(found: Calibration, checks: Sequence[Check]) -> str:
    times = ", ".join(
        f"{one.name} {getattr(found.step_time, one.name) * 1e6:.3g} us" for one in fields(CalibratedStepTime)
    )
    at = ", ".join(str(n) for n in sorted({run.sequences for run in found.runs}))
    lines = [
        f"{found.model} on {found.engine}, {found.row}: {len(found.runs)} runs at {at} sequences, measured",
        f"fitted: {times}",
        f"largest error of the fit {found.residual:.1%}; {found.version}",
    ]
    for each in checks:
        state = "within" if abs(each.error) <= GOAL else "MISSES"
        lines.append(
            f"{each.run.sequences:>3} sequences: predicted {each.predicted_tokens_per_s:,.0f} tokens/s "
            f"(modelled), measured {each.run.tokens_per_s:,.0f}: {each.error:+.1%}, {state} {GOAL:.0%}"
        )
    return "\n".join(lines) + "\n"


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
