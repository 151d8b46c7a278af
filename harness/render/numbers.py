"""Figures as people read them: scaled units, thousands separators, never a lost digit of a count."""

from __future__ import annotations

import math

NOTHING = "-"

_SECONDS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))
_BYTES = (("TiB", 2.0**40), ("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10), ("B", 1.0))
_IN_BYTES = {"bytes": 1.0, "B": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
_COUNTS = frozenset({"", "1", "count", "counts", "ratio"})
_PERCENT = {"%": 1.0, "percent": 1.0, "fraction": 100.0}


def significant(value: float, digits: int = 3) -> str:
    """`value` with at least `digits` significant digits; whole numbers in full, tiny ones as 3.10e-4."""
    if not math.isfinite(value):
        return NOTHING if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    size = abs(value)
    if size < 1e-3 or size >= 1e15:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:,.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"


def _scaled(value: float, scale: tuple[tuple[str, float], ...]) -> str:
    unit, factor = next(((u, f) for u, f in scale if abs(value) >= f), scale[-1 if value else 0])
    figure = value / factor
    # Trailing zeros keep a column of measurements aligned in precision: 88.0 ms beside 61.7 ms.
    if abs(figure) < 1000 and figure and (factor != 1.0 or scale is _SECONDS):
        return f"{figure:.{max(0, 2 - math.floor(math.log10(abs(figure))))}f} {unit}"
    return f"{significant(figure)} {unit}"


def quantity(value: float | None, unit: str) -> str:
    """`value` in `unit` for a reader; seconds and bytes change scale, counts keep every digit."""
    if value is None or math.isnan(value):
        return NOTHING
    if not math.isfinite(value):
        return significant(value)
    if unit == "s":
        return _scaled(value, _SECONDS)
    if unit in _IN_BYTES:
        return _scaled(value * _IN_BYTES[unit], _BYTES if value else _BYTES[-1:])
    name = _unit_name(unit)
    figure = significant(value * _PERCENT.get(unit, 1.0))
    return f"{figure} {name}" if name else figure


def _unit_name(unit: str) -> str:
    if unit in _COUNTS:
        return ""
    return "%" if unit in _PERCENT else "USD" if unit == "usd" else unit


def bound(value: float, unit: str) -> str:
    """A limit or promise in `unit`, without the zeros that nobody wrote: `limit 0.002`, not 0.00200."""
    figure, _, name = quantity(value, unit).partition(" ")
    return f"{_stripped(figure)} {name}".rstrip()


def _stripped(figure: str) -> str:
    return figure.rstrip("0").rstrip(".") if "." in figure and "e" not in figure else figure


def ratio(value: float) -> str:
    """A ratio: three decimals near one, three significant digits elsewhere."""
    if math.isfinite(value) and 0.1 <= abs(value) < 10:
        return f"{value:.3f}"
    return significant(value)


def ratio_with_interval(value: float, low: float, high: float) -> str:
    """`0.313 [0.309, 0.318]`; a counted ratio, whose interval is a point, stands alone."""
    if low == value == high:
        return ratio(value)
    return f"{ratio(value)} [{ratio(low)}, {ratio(high)}]"


def interval(low: float, high: float, unit: str) -> str:
    """`[2.90e-4, 3.30e-4]` in `unit`; empty when it is a point, as of something counted."""
    if low == high:
        return ""
    if unit == "s" or unit in _IN_BYTES:
        return f"[{quantity(low, unit)}, {quantity(high, unit)}]"
    factor = _PERCENT.get(unit, 1.0)
    return f"[{significant(low * factor)}, {significant(high * factor)}]"


def span(low: float, high: float, unit: str | None = None) -> str:
    """A promised range; `unit` is None for a ratio. Open ends read `<= 0.40`, `>= 1.30`, `any`."""

    def show(end: float) -> str:
        return bound(end, unit) if unit is not None else _stripped(ratio(end))

    if math.isinf(low) and math.isinf(high):
        return "any"
    if math.isinf(low):
        return f"<= {show(high)}"
    if math.isinf(high):
        return f">= {show(low)}"
    return show(low) if low == high else f"{show(low)} to {show(high)}"


def percent(value: float) -> str:
    """A relative size as a percentage: 0.011 reads `1.1 %`."""
    return f"{value * 100:.1f} %" if abs(value) >= 0.001 else f"{value * 100:.2g} %"


def clock(seconds: float) -> str:
    """A wait: `0:12`, `3:05`, `1:02:09`."""
    whole = max(0, math.ceil(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def several(count: int, one: str, many: str = "") -> str:
    """`1 row`, `2 rows`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
