"""Predictions as text and as CSV. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from harness.costmodel.capacity import explain
from harness.costmodel.simulation.outcome import Distribution
from harness.predict.output import csv_text
from harness.predict.prediction import Figures, Prediction, Predictions
from harness.render.escape import printable
from harness.render.numbers import NOTHING, percent, quantity, several, significant

_KWH_J = 3.6e6
_LATENCIES = (
    ("first token", "time_to_first_token_s"),
    ("between tokens", "inter_token_latency_s"),
    ("end to end", "end_to_end_s"),
)
_PERCENTILES = ("p50", "p90", "p99")
_COLUMNS = (
    "row", "fits", "reason", "max_concurrency", "sequences_at_once", "prefill_s", "decode_one_s", "decode_s",
    "output_tokens_per_s", "requests_per_s",
    *(f"{name}_{part}" for _, name in _LATENCIES for part in _PERCENTILES),
    "goodput_share", "goodput_requests_per_s", "refused", "restarts", "busy_energy_upper_bound_j",
    "usd_per_million_output_tokens", "usd_per_hour", "price_basis", "price_date", "constants", "basis",
    "expected_error_median", "expected_error_p90",
)  # fmt: skip


def text(found: Predictions) -> str:
    """What was asked, a block for each row, and where several rows fit a table that compares them."""
    serving = found.rows[0].serving
    model = f"{printable(serving.shape.name)} with {serving.weights.name} weights, {found.engine}"
    load = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in found.asked.load.said.items())
    host = found.asked.constants.engine(serving.engine)
    origin = f"modelled, constants {found.asked.constants.version}; prices quoted"
    assumed = f"host side of a step ({printable(host.name)}): {printable(host.provenance)}"
    head = [f"{model}; load: {printable(load)}", origin, assumed]
    blocks = [_block(each, found) for each in found.rows]
    fitting = [each for each in found.rows if each.figures is not None]
    if len(fitting) > 1:
        blocks.append(_comparison(fitting))
    return "\n\n".join("\n".join(lines) for lines in (head, *blocks)) + "\n"


def table(found: Predictions) -> str:
    """One CSV line for each row."""
    return csv_text(_COLUMNS, [_cells(each, found.asked.constants.version) for each in found.rows])


def aligned(heads: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int]) -> list[str]:
    """The rows below their heads, columns padded to their widest cell, those of `right` on the left."""
    lines, flush = [tuple(heads), *map(tuple, rows)], set(right)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place in flush else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _block(each: Prediction, found: Predictions) -> list[str]:
    if each.refusal is not None:
        reason = each.refusal.message.removeprefix(f"{each.serving.row.name}: ")
        return [each.serving.row.name, f"  {'not served':<15} {printable(reason, longest=1000)}"]
    assert each.capacity is not None
    assert each.figures is not None
    lines = [("memory", explain(each.capacity)), ("load", _at_once(each, found))]
    lines += _figures(each.figures)
    lines.append(("cost", _cost(each, each.figures)))
    lines.append(("trust", _trust(each)))
    return [each.serving.row.name, *(f"  {name:<15} {line}" for name, line in lines)]


def _at_once(each: Prediction, found: Predictions) -> str:
    longest = found.asked.load.longest_tokens
    most = "" if found.asked.batch else f"; at most {each.serving.max_sequences:,} in a step"
    return f"{several(each.sequences, 'sequence')} of {longest:,} tokens at once{most}"


def _figures(figures: Figures) -> list[tuple[str, str]]:
    outcome, steps = figures.outcome, figures.steps
    step_s = {key: quantity(getattr(steps, key), "s") for key in ("prefill_s", "decode_one_s", "decode_s")}
    decode = f"decode of 1 sequence {step_s['decode_one_s']}, of {steps.decoding:,} {step_s['decode_s']}"
    rates = (outcome.output_tokens_per_s, outcome.requests_per_s, outcome.mean_running)
    tokens, requests, running = map(significant, rates)
    restarts = several(outcome.restarts, "restart")
    counts = f"{outcome.requests:,}, {outcome.refused:,} refused; {restarts}"
    kwh = significant(figures.busy_energy_upper_bound_j / _KWH_J)
    return [
        ("steps", f"prefill of a mean prompt {step_s['prefill_s']}, {decode}"),
        ("throughput", f"{tokens} output tokens/s, {requests} requests/s, {running} sequences running"),
        *((name, _latency(figures, key)) for name, key in _LATENCIES),
        ("goodput", _goodput(figures)),
        ("requests", f"{counts}; {outcome.cached_tokens:,} prompt tokens from the cache"),
        ("energy", _or_why_not(f"{kwh} kWh at most, while busy", figures, "busy_energy_upper_bound_j")),
    ]


def _cost(each: Prediction, figures: Figures) -> str:
    price, usd = each.serving.row.price, significant(figures.usd_per_million_output_tokens)
    times = f"{each.rows_used} times " if each.rows_used > 1 else ""
    per_hour = f"{times}{significant(price.usd_per_hour)} usd/h, {price.basis}, {price.date}"
    return f"{usd} usd per million output tokens ({per_hour})"


def _trust(each: Prediction) -> str:
    median, p90 = each.gpu.error
    errors = "error unknown: these constants state none"
    if math.isfinite(median + p90):
        errors = f"step times off by {percent(median)} (median), {percent(p90)} (p90) on data left out"
    return f"{printable(each.gpu.note)}; {errors}"


def _latency(figures: Figures, key: str) -> str:
    values: Distribution = getattr(figures.outcome, key)
    parts = [f"{part} {quantity(getattr(values, part), 's')}" for part in _PERCENTILES]
    return _or_why_not(", ".join(parts), figures, key)


def _goodput(figures: Figures) -> str:
    if figures.goodput is None:
        return _or_why_not("", figures, "goodput")
    share, rate = percent(figures.goodput.share), significant(figures.goodput.requests_per_s)
    return f"{share} of all requests within the limits, {rate} requests/s"


def _or_why_not(known: str, figures: Figures, key: str) -> str:
    return f"{NOTHING} ({figures.unknown[key]})" if key in figures.unknown else known


def _comparison(fitting: Sequence[Prediction]) -> list[str]:
    heads = ("row", "tokens/s", "first token p99", "between tokens p99", "usd per million", "constants")
    rows = []
    for each in fitting:
        assert each.figures is not None
        outcome = each.figures.outcome
        rows.append(
            (
                each.serving.row.name,
                significant(outcome.output_tokens_per_s),
                quantity(outcome.time_to_first_token_s.p99, "s"),
                quantity(outcome.inter_token_latency_s.p99, "s"),
                significant(each.figures.usd_per_million_output_tokens),
                each.gpu.basis,
            )
        )
    return aligned(heads, rows, right=range(1, 5))


def _cells(each: Prediction, version: str) -> dict[str, object]:
    median, p90 = each.gpu.error
    price = each.serving.row.price
    cells: dict[str, object] = {
        "row": each.serving.row.name,
        "fits": each.figures is not None,
        "reason": "" if each.refusal is None else each.refusal.message,
        "max_concurrency": None if each.capacity is None else each.capacity.max_concurrency,
        "sequences_at_once": each.sequences,
        "usd_per_hour": price.usd_per_hour * each.rows_used,
        "price_basis": price.basis,
        "price_date": price.date,
        "constants": version,
        "basis": each.gpu.basis,
        "expected_error_median": median,
        "expected_error_p90": p90,
    }
    if each.figures is None:
        return cells
    outcome, steps, goodput = each.figures.outcome, each.figures.steps, each.figures.goodput
    cells |= {name: getattr(steps, name) for name in ("prefill_s", "decode_one_s", "decode_s")}
    counted = ("output_tokens_per_s", "requests_per_s", "refused", "restarts")
    cells |= {name: getattr(outcome, name) for name in counted}
    for _, name in _LATENCIES:
        cells |= {f"{name}_{part}": getattr(getattr(outcome, name), part) for part in _PERCENTILES}
    if goodput is not None:
        cells |= {"goodput_share": goodput.share, "goodput_requests_per_s": goodput.requests_per_s}
    costs = ("busy_energy_upper_bound_j", "usd_per_million_output_tokens")
    return cells | {name: getattr(each.figures, name) for name in costs}
