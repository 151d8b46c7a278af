"""The job summary: what changed first, everything else folded, never more than GitHub takes."""

from __future__ import annotations

from collections.abc import Sequence

from harness.render import numbers
from harness.render.escape import markdown_text as md
from harness.render.problems import gate_outcome, problems
from harness.render.terminal import machine_line, names, sentence
from harness.render.view import Document, Line, View, by_reason, ratio_heading, view

# GitHub drops a step summary above this many bytes.
MOST_BYTES = 1024 * 1024
_RESERVE = 4096
_MOST_PROBLEMS = 100
_MOST_REASONS = 100


def summary(documents: Sequence[Document], *, most_bytes: int = MOST_BYTES) -> str:
    """Markdown for `$GITHUB_STEP_SUMMARY`: at most `most_bytes` of UTF-8.

    Rows that do not fit are dropped from the smallest effect up, and the text says how many.
    """
    shown = view(documents)
    changed = [line for line in shown.lines if line.ran and line.outcome != "unchanged"]
    everything = [line for line in shown.lines if line.ran]
    head = [*_not_measured_first(shown), f"**{md(sentence(documents), 2000)}**", "", *_problems(shown)]
    tail = [*_not_run(shown), *_machines(shown)]
    left = most_bytes - _RESERVE - _bytes("\n".join(head + tail))
    table = _table(changed, left) if changed else ["Nothing moved.", ""]
    left -= _bytes("\n".join(table))
    folded = _table(everything, left - 200)
    full = ["<details><summary>All figures</summary>", "", *folded, "</details>", ""] if everything else []
    return "\n".join([*head, *table, *full, *tail]) + "\n"


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _row(line: Line) -> str:
    claims = "; ".join(f"{line.promised(c)}: {c.state}" for c in line.finding.claims) if line.finding else ""
    verdict = line.outcome if line.provenance == "measured" else f"{line.outcome} ({line.provenance})"
    columns = (line.label, line.metric, line.hardware, line.before, line.after, line.ratio, verdict, claims)
    return "| " + " | ".join(md(column) for column in columns) + " |"


def _table(lines: Sequence[Line], most_bytes: int) -> list[str]:
    """The rows that fit, in their own order; the smallest effects go first."""
    heading = md(ratio_heading(lines))
    head = f"| optimization | metric | hardware | before | after | {heading} | verdict | claim |"
    head += "\n|---|---|---|--:|--:|---|---|---|"
    rows = [_row(line) for line in lines]
    sizes = [_bytes(row) + 1 for row in rows]
    by_effect = sorted(range(len(lines)), key=lambda i: (-lines[i].log_effect, i))
    kept: list[int] = []
    left = most_bytes - _bytes(head) - 200
    for i in by_effect:
        if sizes[i] > left:
            break
        left -= sizes[i]
        kept.append(i)
    dropped = len(rows) - len(kept)
    note = [f"_{dropped:,} of {len(rows):,} rows left out, the smallest effects; results.json has all._", ""]
    return [head, *(rows[i] for i in sorted(kept)), "", *(note if dropped else [])]


def _not_measured_first(shown: View) -> list[str]:
    """What was modelled instead of measured, before any figure."""
    if not shown.modelled:
        return []
    rows = sorted({line.hardware for line in shown.modelled})
    count = numbers.several(len(shown.modelled), "figure")
    return [
        f"> **Not measured:** {count} for {md(', '.join(rows))} modelled or quoted, and marked so below.",
        "",
    ]


def _problems(shown: View) -> list[str]:
    found = problems(shown)
    text = [
        f"- **{md(p.kind)}** {md(p.where)}: {md(p.what)}. Next: {md(p.next_step)}"
        for p in found[:_MOST_PROBLEMS]
    ]
    if len(found) > _MOST_PROBLEMS:
        text.append(f"- and {len(found) - _MOST_PROBLEMS:,} more, in junit.xml")
    return [*text, ""] if text else []


def _not_run(shown: View) -> list[str]:
    groups = by_reason(shown.not_run)
    if not groups:
        return []
    text = [
        f"- {len(lines):,} x {md(reason)}: {md(names(lines, 8))}" for reason, lines in groups[:_MOST_REASONS]
    ]
    if len(groups) > _MOST_REASONS:
        text.append(f"- and {numbers.several(len(groups) - _MOST_REASONS, 'more reason')}")
    return ["<details><summary>Not run, by reason</summary>", "", *text, "", "</details>", ""]


def _machines(shown: View) -> list[str]:
    return [
        f"{md(run.hardware)}: {md(machine_line(run.machine))}. {md(run.id)} at commit {md(run.commit)}, "
        f"seed {md(str(run.run.get('seed', '-')))}: {md(gate_outcome(run))}.  "
        for run in shown.runs
    ]
