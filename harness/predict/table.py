"""Predictions and validations as text, and figures that are no numbers as None."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.costmodel.validation import Errors, Validation

if TYPE_CHECKING:
    from harness.predict.serving import Prediction


def finite(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures with None for NaN and infinity, which JSON does not have."""
    return {
        key: finite(value)
        if isinstance(value, Mapping)
        else None
        if isinstance(value, float) and not math.isfinite(value)
        else value
        for key, value in figures.items()
    }


def serving_table(model: str, weights: str, version: str, found: Sequence[Prediction]) -> str:
    """One block a row."""
    lines = [f"{model}, {weights} weights: modelled, constants {version}; prices quoted", ""]
    for each in found:
        lines += [f"{each.row}: {each.capacity}", *_figures(each), ""]
    return "\n".join(lines)


def _figures(each: Prediction) -> list[str]:
    median, p90 = each.expected_error
    trust = f"  {each.basis}; step times off by {median:.0%} in the median, {p90:.0%} at the 90th percentile"
    if not each.fits:
        return [trust]
    f = each.figures
    latencies = [
        _line(name, f"{_ms(f[key]['p50'])} / {_ms(f[key]['p90'])} / {_ms(f[key]['p99'])} (p50 / p90 / p99)")
        for name, key in (
            ("time to first token", "time_to_first_token_s"),
            ("between tokens", "inter_token_latency_s"),
            ("end to end", "end_to_end_s"),
        )
    ]
    goodput, usd = f["goodput"], _money(f["usd_per_million_output_tokens"])
    speed = f"{f['output_tokens_per_s']:,.0f} tokens/s, {f['requests_per_s']:.3g} requests/s"
    kept = f"{goodput['share']:.1%} of {f['requests']:,} requests within the limits"
    lost = (
        f"{f['refused']:,} refused, {f['restarts']:,} restarts, {f['cached_tokens']:,} prompt tokens cached"
    )
    kwh = f["busy_energy_upper_bound_j"] / 3.6e6
    return [
        _line("throughput", f"{speed}; {f['mean_running']:.1f} sequences run together"),
        *latencies,
        _line(
            "steps", f"prefill {_ms(f['prefill_step_s'])} (a mean prompt), decode {_ms(f['decode_step_s'])}"
        ),
        _line("goodput", f"{kept}; {lost}"),
        _line("cost", f"{usd} per million output tokens ({f['price']}); at most {kwh:.3g} kWh while busy"),
        trust,
    ]


def _line(name: str, text: str) -> str:
    return f"  {name:<20}{text}"


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:,.2f} s" if seconds >= 1.0 else f"{seconds * 1e3:,.1f} ms"


def _money(usd: float | None) -> str:
    return "-" if usd is None else f"{usd:,.3f} usd"


def validation_table(found: Validation) -> str:
    """Errors per GPU and phase, and over all."""
    head = f"{'gpu':<16}{'phase':<10}{'rows':>7}{'median':>9}{'p90':>9}  basis"
    lines = [f"{found.path}: measured, against modelled, constants {found.version}", "", head]
    basis = found.frame.drop_duplicates("gpu").set_index("gpu")["basis"]
    for (gpu, phase), errors in found.per("gpu", "phase").items():
        lines.append(_errors(gpu, phase, errors, str(basis[gpu])))
    lines.append(_errors("all", "", found.overall, ""))
    for line, reason in found.left_out.items():
        lines.append(f"line {line} left out: {reason}")
    return "\n".join(lines) + "\n"


def _errors(gpu: str, phase: str, errors: Errors, basis: str) -> str:
    figures = f"{errors.rows:>7,}{errors.median:>9.1%}{errors.p90:>9.1%}"
    return f"{gpu:<16}{phase:<10}{figures}  {basis}".rstrip()
