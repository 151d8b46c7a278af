"""The candidates of a run and where each came from: as text and as a drawing. Instructions are untrusted."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.render import numbers
from harness.render.escape import clip, printable
from harness.render.svg import canvas, element, markup
from harness.render.tables import score_text

if TYPE_CHECKING:
    from harness.prompts.optimize.run import Optimized

_STEP, _ROW, _BOX, _LEFT, _TOP = 34.0, 40.0, 300.0, 12.0, 16.0
_EXCERPT = 72


@dataclass(frozen=True, slots=True)
class Node:
    """One instruction: the numbers of its parents (none for the seed) and its scores on the validation set.

    A rejected candidate was never run on the validation set: it has no `scores`. `chosen` is the result.
    """

    instruction: str
    parents: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()
    accepted: bool = True
    chosen: bool = False

    @property
    def score(self) -> float:
        """The mean validation score, NaN without one."""
        return math.fsum(self.scores) / len(self.scores) if self.scores else math.nan


def tree_nodes(optimized: Optimized) -> tuple[Node, ...]:
    """A run's candidates by their numbers, then its rejected proposals."""
    kept = [
        Node(each.instruction, each.parents, each.scores, chosen=number == optimized.best)
        for number, each in enumerate(optimized.candidates)
    ]
    turned_down = [Node(each.instruction, (each.parent,), (), accepted=False) for each in optimized.rejected]
    return (*kept, *turned_down)


def tree_lines(candidates: Sequence[Node]) -> list[str]:
    """The tree in text, one line per candidate under its first parent; `*` marks the chosen one.

    Raises ValueError for a parent that is not an earlier candidate.
    """
    lines = []
    for number, rails in _walk(candidates):
        candidate = candidates[number]
        excerpt = clip(printable(candidate.instruction), _EXCERPT)
        lines.append(f"{rails}{_label(number, candidate)}: {excerpt}")
    return lines


def tree_plot(candidates: Sequence[Node], *, identity: str = "tree") -> str:
    """`<svg>` text of the same tree; a rejected candidate is dashed, the chosen one filled."""
    walked = list(_walk(candidates))
    place = {number: row for row, (number, _) in enumerate(walked)}
    deep = max((len(rails) // 3 for _, rails in walked), default=0)
    accepted = sum(each.accepted for each in candidates)
    description = f"{numbers.several(len(candidates), 'candidate')}, {accepted} of them accepted"
    size = _LEFT + _STEP * deep + _BOX + 260, _TOP * 2 + _ROW * len(walked)
    svg = canvas(*size, identity, "Candidate tree", description, "tree heat")
    for number, rails in walked:
        _node(svg, candidates, number, place, len(rails) // 3)
    return markup(svg)


def _walk(candidates: Sequence[Node]) -> Iterator[tuple[int, str]]:
    """(number, rails of the line) of every candidate, each after its first parent.

    Rails are three characters for each level. Without recursion: a run may be one long chain.
    """
    children: dict[int, list[int]] = {}
    for number, candidate in enumerate(candidates):
        if any(not 0 <= parent < number for parent in candidate.parents):
            raise ValueError(f"candidate {number} comes before its parents {candidate.parents}")
        children.setdefault(candidate.parents[0] if candidate.parents else -1, []).append(number)
    waiting = [(number, "", "") for number in reversed(children.get(-1, []))]
    while waiting:
        number, rails, below = waiting.pop()
        yield number, rails
        last = len(children.get(number, [])) - 1
        for place, child in reversed(list(enumerate(children.get(number, [])))):
            end = place == last
            waiting.append((child, below + ("`- " if end else "|- "), below + ("   " if end else "|  ")))


def _label(number: int, candidate: Node) -> str:
    """`#3 0.812*`, `#4 rejected`, `#5 0.830 (also from #2)`."""
    state = score_text(candidate.score) if candidate.accepted else "rejected"
    also = ", ".join(f"#{parent}" for parent in candidate.parents[1:])
    return f"#{number} {state}{'*' if candidate.chosen else ''}{f' (also from {also})' if also else ''}"


def _node(
    svg: ET.Element,
    candidates: Sequence[Node],
    number: int,
    place: dict[int, int],
    depth: int,
) -> None:
    candidate = candidates[number]
    x, y = _LEFT + _STEP * depth, _TOP + _ROW * place[number]
    if candidate.parents:
        top = _TOP + _ROW * place[candidate.parents[0]] + _ROW - 8
        path = f"M{x - _STEP + 14:.1f} {top:.1f}V{y + 16:.1f}H{x:.1f}"
        element(svg, "path", d=path, class_="rule", fill="none")
    state = "improved" if candidate.chosen else "unchanged" if candidate.accepted else "not-run"
    group = element(svg, "g", class_=f"cell is-{state}")
    element(group, "title", candidate.instruction)
    element(group, "rect", x=x, y=y, width=_BOX, height=_ROW - 8, rx=5)
    element(group, "text", _label(number, candidate), x=x + 10, y=y + 20, class_="figure")
    excerpt = clip(printable(candidate.instruction), 40)
    element(group, "text", excerpt, x=x + _BOX + 10, y=y + 20, class_="detail")
