"""What a prompt lint finds, and where in the instruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.render.escape import clip, printable
from harness.render.tables import Table

Severity = Literal["error", "warning"]

_EXCERPT = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with an instruction.

    An error makes the prompt useless or its score untrue; a warning is to be looked at. `where` is a place in
    the instruction, `to_do` what to do about it. Texts may hold what a model wrote.
    """

    severity: Severity
    rule: str
    where: str
    what: str
    to_do: str


def place(instruction: str, position: int) -> str:
    """`line 3, column 7` of a position in the text."""
    before = instruction[:position]
    return f"line {before.count(chr(10)) + 1}, column {position - before.rfind(chr(10))}"


def excerpt(text: str) -> str:
    """A piece of the instruction on one line, in quotes."""
    return f'"{clip(printable(text), _EXCERPT)}"'


def findings_table(findings: Sequence[Finding]) -> Table:
    """For people."""
    rows = tuple((each.severity, each.rule, each.where, each.what, each.to_do) for each in findings)
    return Table(("severity", "rule", "where", "what", "what to do"), rows, frozenset(range(5)))
