"""Confidence as a probability: a table from raw scores to how often values of such a score were right."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from harness.errors import HarnessError

SHIPPED = Path(__file__).with_name("calibration.json")
OF_EMBEDDED = Path(__file__).with_name("calibration_embedded.json")


@dataclass(frozen=True, slots=True)
class Calibration:
    """`points` are (raw score, probability), both rising, between which it is interpolated; beyond them the
    nearest holds. `values` were counted for it; `origin` says of what reader and texts."""

    points: tuple[tuple[float, float], ...]
    values: int = 0
    origin: str = ""

    def __post_init__(self) -> None:
        flat = [number for point in self.points for number in point]
        if not self.points or not all(math.isfinite(number) and 0.0 <= number <= 1.0 for number in flat):
            raise HarnessError("a calibration needs points from 0 to 1", where=self.origin or "calibration")
        if not all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(self.points)):
            raise HarnessError("a calibration's points rise", where=self.origin or "calibration")

    def probability(self, raw: float) -> float:
        """That a value of this raw score is right; never falls when `raw` rises."""
        if raw <= self.points[0][0]:
            return self.points[0][1]
        for (low, below), (high, above) in pairwise(self.points):
            if raw <= high:
                # clamped, because rounding may step over the end
                return min(above, below + (above - below) * (raw - low) / (high - low))
        return self.points[-1][1]


IDENTITY = Calibration(((0.0, 0.0), (1.0, 1.0)), origin="none: the raw score itself")


def calibrate(outcomes: Iterable[tuple[float, bool]], *, origin: str, least: int = 30) -> Calibration:
    """Fit a table to values' raw scores (results made with IDENTITY) and whether each was right.

    Isotonic regression by pooling adjacent violators (Ayer et al. 1955, Annals of Mathematical Statistics
    26: 641-647); blocks of fewer than `least` values are pooled too, and each block's share is taken with
    one right and one wrong value added, so that no table says 0 or 1. Raises HarnessError without outcomes.
    """
    ordered = sorted((min(1.0, max(0.0, raw)), bool(right)) for raw, right in outcomes)
    if not ordered:
        raise HarnessError("nothing to calibrate with", where=origin)
    blocks: list[_Block] = []
    for raw, right in ordered:
        if blocks and (blocks[-1].count < least or blocks[-1].high == raw):
            blocks[-1].add(raw, right)
        else:
            blocks.append(_Block(raw, right))
    if len(blocks) > 1 and blocks[-1].count < least:
        last = blocks.pop()
        blocks[-1].join(last)
    pooled: list[_Block] = []
    for block in blocks:
        pooled.append(block)
        while len(pooled) > 1 and pooled[-2].share >= pooled[-1].share:
            last = pooled.pop()
            pooled[-1].join(last)
    points: list[tuple[float, float]] = []
    for block in pooled:
        # means of neighbours may round to the same number
        if not points or block.mean > points[-1][0]:
            points.append((min(1.0, block.mean), block.share))
    return Calibration(tuple(points), len(ordered), origin)


class _Block:
    """Neighbouring scores that share one probability."""

    def __init__(self, raw: float, right: bool) -> None:
        self.total, self.count, self.right, self.high = raw, 1, int(right), raw

    def add(self, raw: float, right: bool) -> None:
        self.total, self.count, self.right = self.total + raw, self.count + 1, self.right + right
        self.high = raw

    def join(self, other: _Block) -> None:
        self.total, self.count = self.total + other.total, self.count + other.count
        self.right, self.high = self.right + other.right, other.high

    @property
    def mean(self) -> float:
        return self.total / self.count

    @property
    def share(self) -> float:
        return (self.right + 1) / (self.count + 2)


def write_calibration(calibration: Calibration, path: Path) -> None:
    """As JSON, to a temporary file that is then renamed."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(asdict(calibration), indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_calibration(path: Path = SHIPPED) -> Calibration:
    """Raises HarnessError for a file that holds none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        points = tuple((float(raw), float(share)) for raw, share in data["points"])
        return Calibration(points, int(data["values"]), str(data["origin"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HarnessError(f"no calibration: {error}", where=str(path)) from None
