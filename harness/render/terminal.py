"""What `pytest benchmarks` prints: header, progress, the verdict table, the closing lines."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.render import numbers
from harness.render.escape import printable
from harness.render.problems import Problem, gate_outcome, inconclusive_hint, problems
from harness.render.view import Document, Line, by_reason, counts, ratio_heading, view

_COLOURS = {
    "improved": "32", "within limit": "32", "worse": "31", "over limit": "31", "failure": "31;1",
    "refused": "35", "inconclusive": "33", "error": "33;1", "report only": "2", "not run": "2",
    "dim": "2", "bold": "1",
}  # fmt: skip
_NAMES_PER_REASON = 6


@dataclass(frozen=True, slots=True)
class MatrixSummary:
    """Which rows of the matrix this run can say something about, by name."""

    here: tuple[str, ...]
    modelled: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


def _paint(text: str, style: str, color: bool) -> str:
    code = _COLOURS.get(style)
    return f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text


def machine_line(machine: Mapping[str, Any]) -> str:
    """`cpu  2 x Intel Xeon, 24 GiB, load 3.4, noise floor 1.1 % (A/A)`, for any output."""
    cpu = machine.get("cpu") or {}
    parts = [f"{cpu.get('cores', '?')} x {printable(cpu.get('model', 'unknown CPU'))}"]
    if cpu.get("memory_gib"):
        parts.append(numbers.quantity(cpu["memory_gib"], "GiB"))
    parts += [
        f"{printable(gpu.get('name', 'GPU'))} {numbers.quantity(gpu.get('memory_gib'), 'GiB')}"
        for gpu in machine.get("gpus") or ()
    ]
    if machine.get("load"):
        parts.append(f"load {machine['load'][0]:.1f}")
    floor = machine.get("noise_floor")
    parts.append(
        "noise floor not measured" if floor is None else f"noise floor {numbers.percent(floor)} (A/A)"
    )
    return ", ".join(parts)


def header_lines(
    machine: Mapping[str, Any],
    matrix: MatrixSummary,
    *,
    clock: str,
    gate: str = "default",
    note: str = "",
    color: bool = False,
    width: int = 100,
) -> list[str]:
    """The first lines of a run. Rows that are asked for but only modelled here come before all else.

    `note` is what else the user should know, such as a GPU that no row describes.
    """
    name = printable(str(machine.get("hardware", "unknown")))
    row_count = len(matrix.here) + len(matrix.modelled) + len(matrix.elsewhere)
    rows = [f"{numbers.several(row_count, 'row')}: {len(matrix.here)} here"]
    if matrix.modelled:
        rows.append(f"{len(matrix.modelled)} asked for without being here")
    if matrix.elsewhere:
        rows.append(f"{len(matrix.elsewhere)} need other hardware ({', '.join(matrix.elsewhere)})")
    entries = [
        ("hardware", f"{name}  {machine_line(machine)}"),
        ("gate", f"{gate}, timed on the {clock} clock"),
        ("matrix", ", ".join(rows)),
    ]
    if matrix.modelled:
        rows_text = ", ".join(matrix.modelled)
        entries.insert(
            0, ("not measured", f"{rows_text}: this machine is {name}; figures can only be modelled")
        )
    if note:
        entries.append(("note", printable(note)))
    indent = max(len(head) for head, _ in entries) + 2
    lines: list[str] = []
    for head, text in entries:
        wrapped = textwrap.wrap(text, max(20, width - indent), break_long_words=False, break_on_hyphens=False)
        lines.append(_paint(head.ljust(indent), "bold", color) + wrapped[0])
        lines += [" " * indent + more for more in wrapped[1:]]
    return lines


def progress_line(done: int, total: int, seconds_left: float | None, nodeid: str, width: int = 80) -> str:
    """`benchmarks/x.py::test_x[cpu]    9/41  0:12 left`; only the name gives way to the width."""
    left = "" if seconds_left is None else f"  {numbers.clock(seconds_left)} left"
    tail = f"  {done}/{total}{left}"
    room = max(8, width - len(tail))
    name = printable(nodeid)
    name = name if len(name) <= room else "…" + name[-(room - 1) :]
    return name.ljust(room) + tail


def verdict_table(documents: Sequence[Document], *, color: bool = False, width: int = 120) -> str:
    """The before/after table of one or several runs, then what did not run, by reason.

    One line per metric; where `width` is too small for that, two. Figures are never cut.
    """
    shown = view(documents)
    ran = [line for line in shown.lines if line.ran]
    table = _wide(ran, color, width) or _narrow(ran, color, width)
    return "\n".join(table + _not_run(shown.not_run, color, width))


def _claims(line: Line) -> str:
    claims = line.finding.claims if line.finding else ()
    return "; ".join(f"{line.promised(claim)}  {claim.state}" for claim in claims)


def _verdict(line: Line) -> str:
    """The outcome, with the provenance of anything that was not measured here."""
    return line.outcome if line.provenance == "measured" else f"{line.outcome} ({line.provenance})"


def _wide(lines: Sequence[Line], color: bool, width: int) -> list[str]:
    """One line each, or nothing when that is wider than `width`."""
    if not lines:
        return []
    heads = (
        "optimization",
        "metric",
        "hardware",
        "before",
        "after",
        ratio_heading(lines),
        "verdict",
        "claim",
    )
    rows = [
        (
            printable(line.label), printable(line.metric), printable(line.hardware),
            line.before, line.after, line.ratio, _verdict(line), _claims(line),
        )
        for line in lines
    ]  # fmt: skip
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    if sum(widths) + 2 * (len(widths) - 1) > width:
        return []
    text = [_paint("  ".join(h.ljust(w) for h, w in zip(heads, widths, strict=True)).rstrip(), "bold", color)]
    for line, row in zip(lines, rows, strict=True):
        padded = [
            cell.rjust(w) if i in (3, 4) else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        padded[-1] = padded[-1].rstrip()
        padded[6] = _paint(row[6], line.outcome, color) + " " * (widths[6] - len(row[6]))
        text.append("  ".join(padded).rstrip())
    return text


def _narrow(lines: Sequence[Line], color: bool, width: int) -> list[str]:
    """Name on one line; figures, verdict and claim below, wrapped between them and never inside."""
    text: list[str] = []
    for line in lines:
        name = f"{printable(line.label)}  {printable(line.metric)}  {printable(line.hardware)}"
        text += [_paint(part, "bold", color) for part in textwrap.wrap(name, width, break_on_hyphens=False)]
        figures = line.after if line.before == numbers.NOTHING else f"{line.before} -> {line.after}"
        current = "   "
        for part, style in (
            (figures, ""),
            (line.ratio, ""),
            (_verdict(line), line.outcome),
            (_claims(line), ""),
        ):
            if not part or part == numbers.NOTHING:
                continue
            if len(_bare(current)) + 2 + len(part) > width and current.strip():
                text.append(current)
                current = "     "
            current += ("  " if current.strip() else " ") + _paint(part, style, color)
        text.append(current)
    return text


def _bare(text: str) -> str:
    for code in {*_COLOURS.values(), "0"}:
        text = text.replace(f"\x1b[{code}m", "")
    return text


def names(lines: Sequence[Line], most: int) -> str:
    """`a (l4, h100), b (l4), and 3 more`: the first `most` names with their rows."""
    rows: dict[str, list[str]] = {}
    for line in lines:
        label = printable(line.label)
        hardware = rows.setdefault(label, [])
        if line.hardware not in hardware:
            hardware.append(line.hardware)
    text = ", ".join(
        f"{label} ({', '.join(map(printable, hardware))})" for label, hardware in list(rows.items())[:most]
    )
    return f"{text}, and {len(rows) - most:,} more" if len(rows) > most else text


def _not_run(lines: Sequence[Line], color: bool, width: int) -> list[str]:
    text: list[str] = []
    for reason, group in by_reason(lines):
        line = f"{len(group):>4} not run  {printable(reason)}: {names(group, _NAMES_PER_REASON)}"
        wrapped = textwrap.wrap(
            line, width, subsequent_indent=" " * 14, break_on_hyphens=False, drop_whitespace=True
        )
        text += [_paint(part, "not run", color) for part in wrapped]
    return text


def closing_lines(
    documents: Sequence[Document], report: str, *, color: bool = False, width: int = 100
) -> list[str]:
    """Counts of measured verdicts, modelled ones apart, the gate's problems with next steps, the report."""
    shown = view(documents)
    found = problems(shown)
    lines = [_paint(sentence(documents), "bold", color)]
    if shown.modelled:
        told = [f"{count} {outcome}" for outcome, count in counts(shown.modelled).items() if count]
        lines.append(f"modelled, not measured: {', '.join(told)}")
    for problem in found:
        lines += _problem_lines(problem, color, width)
    lines += [printable(f"{run.id}: {gate_outcome(run)}") for run in shown.runs]
    return [*lines, report] if report else lines


def sentence(documents: Sequence[Document]) -> str:
    """`9 improved, 0 regressed, 2 unchanged, 1 inconclusive (detects >= 7.7 %; ...), 29 not run`."""
    shown = view(documents)
    tally = counts(shown.measured)
    regressed = sum(problem.kind in ("regressed", "left ratchet") for problem in problems(shown))
    parts = [f"{tally['improved']} improved", f"{regressed} regressed", f"{tally['unchanged']} unchanged"]
    for outcome in ("worse", "within limit", "over limit", "refused"):
        parts += [f"{tally[outcome]} {outcome}"] if tally[outcome] else []
    hint = inconclusive_hint(shown.measured)
    parts.append(f"{tally['inconclusive']} inconclusive{hint}")
    return ", ".join([*parts, f"{len(shown.not_run)} not run"])


def _problem_lines(problem: Problem, color: bool, width: int) -> list[str]:
    head = f"{problem.kind}: {printable(problem.where)}"
    what = f": {printable(problem.what)}" if problem.what else ""
    text = f"{head}{what}"
    lines = textwrap.wrap(
        text, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    lines += textwrap.wrap(
        f"next: {printable(problem.next_step)}", width,
        initial_indent="    ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return [_paint(lines[0], problem.severity, color), *lines[1:]]
