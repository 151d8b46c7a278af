"""The arithmetic of the guide, recomputed: what it states, by which formula, and what comes out.

For the claim ledger. All figures follow from the guide's own example of 2 facilities, 60 chunks in windows
of 3 and 40 missing fields each; none needs a model. Times are modelled, by the quoted parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from harness.extraction.documented.plan import documented_waves, nominal_calls
from harness.extraction.timing import QUOTED, company_seconds

GUIDE = "extraction-speed-guide.md"
_FACILITIES, _WINDOWS, _MISSING = 2, 20, 40
_FIELDS = 72
_ABOUT = 0.05
"""What "~" is taken to allow on both sides."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One published figure: `stated` is its range, `value` what the formula gives with the guide's 12 groups
    and `value_13` with the 13 that its code has, both in `unit`. `finding` says what it really is."""

    name: str
    quote: str
    where: str
    stated: tuple[float, float]
    unit: str
    formula: str
    value: float
    value_13: float
    finding: str

    @property
    def holds(self) -> bool:
        """Whether the guide's own numbers give what it states."""
        low, high = self.stated
        return low <= self.value <= high


def figures() -> tuple[Figure, ...]:
    """All of them, in the order of the guide."""
    return (*_calls(), *_speed_ups(), *_times())


def _calls() -> tuple[Figure, ...]:
    before = _figure(
        "calls before the caps",
        "550+ LLM calls",
        "section 1",
        (550, math.inf),
        "calls",
        "1 + 2 (G (1 + 20) + 1 + 40)",
        lambda groups: _nominal(groups, _WINDOWS, _MISSING),
        "587 calls; 629 with the 13 groups of the code",
    )
    after = _figure(
        "calls after the caps",
        "115 LLM calls",
        "section 1",
        _about(115),
        "calls",
        "1 + 2 (G (1 + 2) + 1 + 25)",
        lambda groups: _nominal(groups, 2, 25),
        "125 calls; it is 115 with a deep cap of 20, not 25; 131 with the 13 groups of the code",
    )
    sections_before = _figure(
        "section calls before the cap",
        "200+ per company",
        "section 2.1",
        (200, math.inf),
        "calls",
        "2 G 20",
        lambda groups: _FACILITIES * groups * _WINDOWS,
        "480 for the example's company; 240 for each of its 2 facilities, which is what was counted",
    )
    sections_after = _figure(
        "section calls after the cap",
        "down to ~24",
        "section 2.1",
        _about(24),
        "calls",
        "2 G 2",
        lambda groups: _FACILITIES * groups * 2,
        "48 for the example's company; 24 for each of its 2 facilities",
    )
    return before, after, sections_before, sections_after


def _speed_ups() -> tuple[Figure, ...]:
    extraction = _figure(
        "section cap",
        "~3-4x",
        "sections 2.1 and 5",
        (3, 4),
        "times fewer calls of the group passes",
        "(1 + 20) / (1 + 2)",
        lambda groups: groups * (1 + _WINDOWS) / (groups * (1 + 2)),
        "7.0 times: 252 to 36 calls per facility",
    )
    bm25_only = _figure(
        "no section passes",
        "~2x faster than 2",
        "section 3",
        _about(2),
        "times fewer calls of the company",
        "(1 + 2 (G (1 + 2) + 1 + 25)) / (1 + 2 (G + 1 + 25))",
        lambda groups: _nominal(groups, 2, 25) / _nominal(groups, 0, 25),
        "1.6 times, 125 to 77 calls; 3.0 times fewer of the group passes alone; "
        f"{_faster_without_sections():.1f} times faster by the time model of its logs: deep calls are short",
    )
    whole = _figure(
        "before to after",
        "from ~5 h to roughly 1-1.5 h",
        "section 5",
        (5 / 1.5, 5),
        "times fewer calls of the company",
        "587 / 125",
        lambda groups: _nominal(groups, _WINDOWS, _MISSING) / _nominal(groups, 2, 25),
        "4.7 times fewer calls; 5.1 with the 115 that are stated",
    )
    return extraction, bm25_only, whole


def _times() -> tuple[Figure, ...]:
    before = _figure(
        "hours before the caps",
        "~5 h at ~30 s/call",
        "section 1",
        (4.75, 5.25),
        "hours at 30 s a call",
        "calls x 30 s",
        lambda groups: _nominal(groups, _WINDOWS, _MISSING) * 30 / 3600,
        f"4.9 h; {_hours(_WINDOWS, True, _MISSING):.1f} h by the time model of its logs",
    )
    after = _figure(
        "hours after the caps",
        "target <1.5 h",
        "section 1",
        (0, 1.5),
        "hours at 30 s a call",
        "calls x 30 s",
        lambda groups: _nominal(groups, 2, 25) * 30 / 3600,
        f"1.0 h; {_hours(2, True, 25):.1f} h by the time model of its logs",
    )
    one_hour = _figure(
        "hours of the 1-hour preset",
        "hard <= 1 hour per company",
        "section 5",
        (0, 1),
        "hours at 30 s a call",
        "(1 + 2 (G (1 + 1) + 20)) x 30 s",
        lambda groups: _nominal(groups, 1, 20, verification=False) * 30 / 3600,
        f"0.7 h; {_hours(1, False, 20):.2f} h by the time model of its logs, but no room for a third "
        f"facility ({_hours(1, False, 20, 3):.2f} h)",
    )
    return before, after, one_hour


def _faster_without_sections() -> float:
    return _hours(2, True, 25) / _hours(0, True, 25)


def _figure(
    name: str,
    quote: str,
    section: str,
    stated: tuple[float, float],
    unit: str,
    formula: str,
    value: Callable[[int], float],
    finding: str,
) -> Figure:
    where = f"{GUIDE}, {section}"
    return Figure(name, quote, where, stated, unit, formula, float(value(12)), float(value(13)), finding)


def _about(value: float) -> tuple[float, float]:
    return value * (1 - _ABOUT), value * (1 + _ABOUT)


def _nominal(groups: int, passes: int, deep: int, *, verification: bool = True) -> int:
    return nominal_calls(
        _FACILITIES, groups=groups, section_passes=passes, verification=verification, deep_fields=deep
    )


def _hours(passes: int, verification: bool, deep: int, facilities: int = _FACILITIES) -> float:
    """By the two-term model, one call after the other, 12 groups of 6 fields."""
    waves = documented_waves(
        facilities, [_FIELDS // 12] * 12, section_passes=passes, verification=verification, deep_fields=deep
    )
    return company_seconds(waves, QUOTED) / 3600
