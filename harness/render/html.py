"""The report page: one self-contained file, at most 1 MB, that asks the network for nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness.measure.outcome import ClaimFinding
from harness.render import numbers
from harness.render.escape import printable
from harness.render.problems import failed, gate_outcome, inconclusive_hint, problems
from harness.render.svg import SYMBOLS, ForestPoint, HeatCell, forest_plot, heat_map
from harness.render.terminal import machine_line, names
from harness.render.view import Document, Line, View, by_reason, counts, ratio_heading, view

if TYPE_CHECKING:
    import jinja2

MOST_BYTES = 1_000_000

# What a reader acts on comes first; a promise that held needs no action.
_LEDGER_ORDER = ("refuted", "short", "undecided", "exceeded", "met", "not applicable")
# When one optimization has several figures on a row, the heat map shows the one to look at first.
_GRAVITY = (
    "over limit",
    "worse",
    "refused",
    "inconclusive",
    "improved",
    "within limit",
    "unchanged",
    "report only",
)


@dataclass(frozen=True, slots=True)
class _Limits:
    """How many rows each part may have; a page over the cap is built again with the next smaller set."""

    provenance: int
    table: int
    ledger: int
    heat: int
    forest: int
    micro: int
    problems: int


_LIMITS = (
    _Limits(4000, 4000, 4000, 150, 60, 1000, 200),
    _Limits(0, 4000, 4000, 150, 60, 1000, 200),
    _Limits(0, 1200, 800, 100, 60, 400, 200),
    _Limits(0, 600, 400, 100, 60, 200, 100),
    _Limits(0, 150, 100, 50, 40, 50, 50),
    _Limits(0, 40, 25, 15, 20, 15, 20),
    _Limits(0, 8, 5, 5, 5, 5, 5),
)


def page(documents: Sequence[Document], *, most_bytes: int = MOST_BYTES) -> str:
    """The whole report as one HTML document of at most `most_bytes` of UTF-8.

    Parts that make it too large are folded, the largest optional one first, and the page says so.
    """
    shown = view(documents)
    history = _history(documents)
    text = ""
    for limits in _LIMITS:
        text = _render(shown, history, limits)
        if len(text.encode("utf-8", "replace")) <= most_bytes:
            break
    return text


def _shown_text(value: Any) -> Any:
    """Every string from data becomes one printable line; our own SVG passes as it is."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _commands(text: str) -> Markup:
    """`text` with what stands in backquotes set as code."""
    parts = printable(text, 2000).split("`")
    return Markup("").join(Markup("<code>{}</code>").format(p) if i % 2 else p for i, p in enumerate(parts))


def _breakable(text: str) -> Markup:
    """`text` that may wrap after an underscore, as names do and words do not."""
    return Markup("_<wbr>").join(printable(text).split("_"))


def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.render"), autoescape=True, undefined=jinja2.StrictUndefined,
        finalize=_shown_text, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "quantity": numbers.quantity,
        "count": "{:,}".format,
        "plain_ratio": numbers.ratio,
        "commands": _commands,
        "breakable": _breakable,
    }
    environment.globals |= {
        "symbols": SYMBOLS,
        "machine_line": machine_line,
        "gate_outcome": gate_outcome,
        "failed": failed,
    }
    return environment


def _history(documents: Sequence[Document]) -> list[dict[str, Any]]:
    """Figures that several runs found, each cell's in order of time; empty for a single run."""
    flat = [run for document in documents for run in document.get("runs", [document])]
    if len(flat) < 2:
        return []
    from harness.results.frames import history_frame

    table = history_frame(flat)
    key = ["nodeid", "hardware", "metric", "provenance"]
    table = table[table.groupby(key)["run"].transform("count") > 1]
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _render(shown: View, history: Sequence[dict[str, Any]], limits: _Limits) -> str:
    notes: list[str] = []
    found = problems(shown)
    reasons = by_reason(shown.not_run)
    context = {
        "view": shown,
        "tally": {
            outcome: count for outcome, count in counts(shown.measured).items() if outcome != "not run"
        },
        "hint": inconclusive_hint(shown.measured),
        "problems": found[: limits.problems],
        "more_problems": max(0, len(found) - limits.problems),
        "failing": any(failed(run) for run in shown.runs) or any(p.severity == "failure" for p in found),
        "tables": _tables(shown, limits, notes),
        "forests": _forests(shown, limits, notes),
        "heat": _heat(shown, limits, notes),
        "ledger": _ledger(shown, limits, notes),
        "history": history[: limits.table],
        "micro": shown.micro[: limits.micro],
        "not_run": [(reason, len(lines), names(lines, 12)) for reason, lines in reasons[: limits.problems]],
        "every": shown.lines if len(shown.lines) <= limits.provenance else (),
        "notes": notes,
    }
    if len(reasons) > limits.problems:
        notes.append(f"{len(reasons) - limits.problems:,} reasons for not running")
    if len(shown.micro) > limits.micro:
        notes.append(f"{len(shown.micro) - limits.micro:,} micro-benchmarks")
    if len(history) > limits.table:
        notes.append(f"{len(history) - limits.table:,} lines of history")
    if not context["every"] and shown.lines:
        notes.append("the list of every figure with its origin")
    return _environment().get_template("report.html.j2").render(context)


def _largest(lines: Sequence[Line], most: int) -> list[Line]:
    """At most `most` lines in their own order, the largest effects kept."""
    if len(lines) <= most:
        return list(lines)
    kept = sorted(range(len(lines)), key=lambda i: (-lines[i].log_effect, i))[:most]
    return [lines[i] for i in sorted(kept)]


def _tables(shown: View, limits: _Limits, notes: list[str]) -> list[dict[str, Any]]:
    """One before/after pivot per provenance: measured and modelled never share a table."""
    tables = []
    for provenance in ("measured", "modelled", "quoted"):
        lines = [line for line in shown.lines if line.provenance == provenance]
        kept = _largest(lines, limits.table)
        if len(kept) < len(lines):
            notes.append(f"{len(lines) - len(kept):,} {provenance} rows with the smallest effects")
        if kept:
            columns, rows = before_after(kept)
            heading = ratio_heading(kept)
            tables.append({"provenance": provenance, "columns": columns, "rows": rows, "heading": heading})
    return tables


def before_after(lines: Sequence[Line]) -> tuple[list[str], list[tuple[Line, list[Line | None]]]]:
    """Pivot of lines by optimization and metric x hardware row.

    Returns the hardware rows and, per table row, its first line and one line or None per hardware
    row. Of several runs of the same cell the one that started last stands.
    """
    # Loaded here: it takes longer than all else that a run without a page imports.
    import pandas as pd

    frame = pd.DataFrame(
        {
            "label": [line.label for line in lines],
            "metric": [line.metric for line in lines],
            "hardware": [line.hardware for line in lines],
            "started": [str(line.run.run.get("started", "")) for line in lines],
            "position": range(len(lines)),
        }
    )
    key = ["label", "metric"]
    latest = frame.sort_values(["started", "position"]).drop_duplicates([*key, "hardware"], keep="last")
    pivot = latest.pivot(index=key, columns="hardware", values="position")
    order = frame.groupby(key, sort=False)["position"].min().sort_values().index
    columns = list(dict.fromkeys(frame["hardware"]))
    rows = []
    for values in pivot.reindex(index=order, columns=columns).itertuples(index=False, name=None):
        found = [None if math.isnan(value) else lines[int(value)] for value in values]
        rows.append((next(line for line in found if line is not None), found))
    return columns, rows


def forest_point(line: Line) -> ForestPoint | None:
    """What the forest plot draws of a line: a positive, finite ratio that was judged, or nothing."""
    found = line.finding
    if found is None or found.effect is None or found.gate == "bounded" or not line.ran:
        return None
    effect = found.effect
    if not (effect.ratio > 0 and math.isfinite(effect.ratio)) or effect.confidence == 0:
        return None
    claims = tuple((claim.low, claim.high) for claim in found.claims if claim.kind == "ratio")
    canary = found.canary
    noise = (canary.low, canary.high) if canary and math.isfinite(canary.high - canary.low) else None
    detail = f"{found.metric}, {line.hardware}{', higher is better' * (found.better == 'higher')}"
    return ForestPoint(
        line.label, detail, line.ratio, line.outcome, found.provenance,
        effect.ratio, effect.low, effect.high, claims, noise,
    )  # fmt: skip


def _forests(shown: View, limits: _Limits, notes: list[str]) -> list[tuple[str, Markup]]:
    plots = []
    for title, lines in (("Measured", shown.measured), ("Modelled", shown.modelled)):
        drawable = [line for line in lines if forest_point(line) is not None]
        kept = _largest(drawable, limits.forest)
        if len(kept) < len(drawable):
            notes.append(f"{len(drawable) - len(kept):,} smaller effects in the {title.lower()} forest plot")
        points = [point for line in kept if (point := forest_point(line)) is not None]
        if points:
            # Safe: the SVG writer escapes all text it is given.
            plots.append((title, Markup(forest_plot(points, identity=f"forest-{title.lower()}"))))
    return plots


def heat_cells(shown: View) -> dict[tuple[str, str], HeatCell]:
    """The state of each (optimization, hardware row); a measured figure outranks a modelled one."""
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in shown.lines:
        groups.setdefault((line.cell.optimization, line.hardware), []).append(line)
    return {where: _heat_cell(lines) for where, lines in groups.items()}


def _heat_cell(lines: Sequence[Line]) -> HeatCell:
    measured = [line for line in lines if line.provenance == "measured"]
    computed = [line for line in lines if line.provenance in ("modelled", "quoted")]
    if measured:
        told = min(measured, key=lambda line: (_GRAVITY.index(line.outcome), not _is_bounded(line)))
        state, several = told.outcome, len(measured)
    elif computed:
        told = computed[0]
        state, several = told.provenance, len(computed)
    else:
        return HeatCell("not run", "", lines[0].reason)
    effect = told.finding.effect if told.finding else None
    figure = "" if effect is None else told.after if _is_bounded(told) else numbers.ratio(effect.ratio)
    return HeatCell(state, figure, f"{told.metric}, {numbers.several(several, 'figure')}")


def _is_bounded(line: Line) -> bool:
    return line.finding is not None and line.finding.gate == "bounded"


def _heat(shown: View, limits: _Limits, notes: list[str]) -> Markup | None:
    cells = heat_cells(shown)
    rows = list(dict.fromkeys(where for where, _ in cells))
    if len(rows) > limits.heat:
        notes.append(f"{len(rows) - limits.heat:,} optimizations in the heat map")
    columns = list(dict.fromkeys(hardware for _, hardware in cells))
    # Rows with a figure lead, so that a wide map starts with what there is to see.
    columns.sort(
        key=lambda column: all(
            cells.get((row, column), HeatCell("not run")).state == "not run" for row in rows
        )
    )
    most_columns = 40
    return Markup(heat_map(rows[: limits.heat], columns[:most_columns], cells)) if cells else None


def _ledger(shown: View, limits: _Limits, notes: list[str]) -> list[tuple[ClaimFinding, Line]]:
    entries = [(claim, line) for line in shown.lines if line.finding for claim in line.finding.claims]
    entries.sort(key=lambda entry: _LEDGER_ORDER.index(entry[0].state))
    if len(entries) > limits.ledger:
        notes.append(f"{len(entries) - limits.ledger:,} claims")
    return entries[: limits.ledger]
