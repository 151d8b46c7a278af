"""A step time fitted to a short run on real hardware: measured runs in, a `StepTime` out.

A step takes step_s + (weights_s^4 + (token_s x tokens)^4)^(1/4) + sequence_s x sequences + pair_s x pairs of
prompts + context_s x tokens that decoding sequences look at: the roofline of `steptime`, in times instead of
rates. Prompts of several lengths give the cost of many tokens in a step, few concurrent sequences the rest,
so that concurrencies nobody measured can be predicted.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.costmodel.load import StepLoad, prefill_load
from harness.costmodel.simulation import requests_of, simulate_continuous, vllm_rules
from harness.costmodel.steptime import soft_maximum
from harness.errors import HarnessError

Floats = NDArray[np.float64]

_LEAST_S, _MOST_S = 1e-12, 1e3
_START_SHARE = 0.2
_LOSS_SCALE = 0.05
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Run:
    """`sequences` equal requests sent at once; median seconds until all have a first and the last token."""

    sequences: int
    prompt_tokens: int
    output_tokens: int
    first_token_s: float
    total_s: float

    @property
    def tokens_per_s(self) -> float:
        """Output tokens of all requests per second."""
        return self.sequences * self.output_tokens / self.total_s


@dataclass(frozen=True, slots=True)
class CalibratedStepTime:
    """A `StepTime` in seconds; the module says what each is. `request_s` passes before the first step."""

    step_s: float
    weights_s: float
    token_s: float
    sequence_s: float
    pair_s: float
    context_s: float
    request_s: float

    def __post_init__(self) -> None:
        for one in fields(self):
            if not 0.0 <= getattr(self, one.name) < math.inf:
                raise HarnessError(
                    f"is {getattr(self, one.name)}", where=f"calibration, {one.name}", allowed="from 0"
                )

    def seconds(self, load: StepLoad) -> float:
        """Time of one step; 0 for a load without tokens."""
        if load.tokens == 0:
            return 0.0
        shared_s = soft_maximum(self.weights_s, self.token_s * load.tokens) + self.step_s
        own_s = self.sequence_s * load.sequences + self.pair_s * load.prefill_pairs
        return shared_s + own_s + self.context_s * load.decode_context_tokens

    def decode_seconds(self, sequences: int, context_tokens: int, steps: int) -> Floats:
        """Times of `steps` successive decode-only steps, shape (steps,)."""
        first_s = self.seconds(StepLoad(0, 0, 0, 0, sequences, context_tokens))
        return first_s + self.context_s * sequences * np.arange(steps, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured where, and the step time fitted to it; `residual` is the fit's largest error.

    `step_time` is modelled, `runs` are measured on `row`; `batch_tokens` is the most that a step computes.
    """

    model: str
    engine: str
    row: str
    batch_tokens: int
    runs: tuple[Run, ...]
    step_time: CalibratedStepTime
    residual: float

    @property
    def version(self) -> str:
        """Hash of the fitted times: the model version of whatever is predicted with them."""
        text = json.dumps(asdict(self.step_time), sort_keys=True)
        return f"calibration {hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "version": self.version}


def predicted(step_time: CalibratedStepTime, run: Run, batch_tokens: int) -> tuple[float, float]:
    """Seconds until all of `run`'s requests have their first token, and their last one.

    A continuously batching engine that computes up to `batch_tokens` tokens a step and never lacks memory.
    """
    count, longest = run.sequences, run.prompt_tokens + run.output_tokens
    served = simulate_continuous(
        requests_of(0.0, [run.prompt_tokens] * count, run.output_tokens),
        vllm_rules(max(batch_tokens, count), count, block_tokens=longest, prefix_caching=False),
        blocks=count + 1,
        step_time=step_time,
    )
    first_s, last_s = float(served.first_token_s.max()), float(served.completed_s.max())
    return step_time.request_s + first_s, step_time.request_s + last_s


def calibrate(runs: Sequence[Run], *, model: str, engine: str, row: str, batch_tokens: int) -> Calibration:
    """Fit the step time to `runs` by least squares on log errors (soft L1 beyond 5 %), all times from 0.

    Deterministic. HarnessError for runs that cannot tell the times apart: fewer than two concurrencies, or
    three prompt lengths, or none with more than one output token.
    """
    _require_enough(runs)
    from scipy.optimize import least_squares  # half a second that reading a calibration does not need

    target = np.log([value for run in runs for value in _observed(run)])
    weight = np.array([1.0 / math.sqrt(len(_observed(run))) for run in runs for _ in _observed(run)])
    names = [one.name for one in fields(CalibratedStepTime)]

    def step_time_of(x: Floats) -> CalibratedStepTime:
        return CalibratedStepTime(**dict(zip(names, np.exp(x).tolist(), strict=True)))

    def residuals(x: Floats) -> Floats:
        step_time = step_time_of(x)
        found = [value for run in runs for value in _modelled(run, *predicted(step_time, run, batch_tokens))]
        errors: Floats = weight * (np.log(found) - target)
        return errors

    bounds = (math.log(_LEAST_S), math.log(_MOST_S))
    solution = least_squares(
        residuals, np.log(_start(runs)), bounds=bounds, loss="soft_l1", f_scale=_LOSS_SCALE, max_nfev=400
    )
    fitted = [float(f"{value:.{_DIGITS}g}") for value in np.exp(solution.x)]
    step_time = CalibratedStepTime(**dict(zip(names, fitted, strict=True)))
    errors = np.abs(np.expm1(residuals(np.log(fitted)) / weight))
    return Calibration(model, engine, row, batch_tokens, tuple(runs), step_time, float(errors.max()))


def _observed(run: Run) -> tuple[float, ...]:
    """First-token time, and the time between it and the end where there are more tokens."""
    if run.output_tokens == 1:
        return (run.first_token_s,)
    return run.first_token_s, run.total_s - run.first_token_s


def _modelled(run: Run, first_s: float, total_s: float) -> tuple[float, ...]:
    return (first_s,) if run.output_tokens == 1 else (first_s, total_s - first_s)


def _start(runs: Sequence[Run]) -> Floats:
    """Every term a fifth of the fastest decode step, or of the slowest prompt per token and pair."""
    decoding = [run for run in runs if run.output_tokens > 1]
    step_s = min((run.total_s - run.first_token_s) / (run.output_tokens - 1) for run in decoding)
    longest = max(runs, key=lambda run: run.sequences * run.prompt_tokens)
    token_s = longest.first_token_s / (longest.sequences * longest.prompt_tokens)
    pairs = prefill_load(longest.prompt_tokens, longest.sequences).prefill_pairs
    context = max(run.sequences * run.prompt_tokens for run in decoding)
    first_s = min(run.first_token_s for run in runs)
    return _START_SHARE * np.array(
        [step_s, step_s, token_s, step_s, longest.first_token_s / pairs, step_s / context, first_s]
    )


def _require_enough(runs: Sequence[Run]) -> None:
    for run in runs:
        sound = 0.0 < run.first_token_s <= run.total_s < math.inf
        if not sound or (run.output_tokens > 1 and run.first_token_s >= run.total_s):
            raise HarnessError(f"a run took {run.first_token_s} s and {run.total_s} s", where="calibration")
    lacks = (
        ("concurrencies", len({run.sequences for run in runs}), 2),
        ("prompt lengths", len({run.prompt_tokens for run in runs}), 3),
        ("runs of several output tokens", sum(run.output_tokens > 1 for run in runs), 2),
    )
    for what, found, least in lacks:
        if found < least:
            raise HarnessError(
                f"{found} {what} cannot tell the parts of a step apart",
                where="calibration",
                allowed=f"{least} and more",
            )


def read_calibration(path: Path) -> Calibration:
    """The calibration that a file holds; HarnessError for anything else, and for one changed by hand."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return _from_document(document)
    except OSError as error:
        raise HarnessError(f"cannot be read ({error.strerror})", where=str(path)) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise HarnessError(
            f"is no calibration ({type(error).__name__}: {error})",
            where=str(path),
            next_step="write it anew: harness predict calibrate --out FILE",
        ) from None


def _from_document(document: Mapping[str, Any]) -> Calibration:
    found = Calibration(
        model=str(document["model"]),
        engine=str(document["engine"]),
        row=str(document["row"]),
        batch_tokens=int(document["batch_tokens"]),
        runs=tuple(Run(**run) for run in document["runs"]),
        step_time=CalibratedStepTime(**document["step_time"]),
        residual=float(document["residual"]),
    )
    if document["version"] != found.version:
        raise ValueError(f"its version says {document['version']}, its times are {found.version}")
    return found
