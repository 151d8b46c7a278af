"""What an optimization *is*: frozen data, declared once per benchmark file."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Better = Literal["lower", "higher"]
Gate = Literal["exact", "bounded", "paired", "report"]
Role = Literal["shipped", "candidate"]
Clock = Literal["thread", "process", "wall", "cuda_event"]
Provenance = Literal["measured", "modelled", "quoted"]
ProbeName = Literal["peak_rss", "tracemalloc_peak", "cuda_memory", "energy"]
CounterName = Literal["calls", "tokens", "bytes"]
Kind = Literal["any", "host", "cuda"]

_READERS = ("value", "work", "counter", "probe", "compare")


@dataclass(frozen=True, slots=True)
class Metric:
    """One quantity read from both arms, and how it may fail a run.

    By default a metric is the arm's duration on the row's clock. At most one reader changes that:
    `value` reads it from the arm's return value, `work` divides work done (from the return value)
    by the duration, `counter` names what the arm added to the tally, `probe` a probe of the process
    or device, `compare` takes both arms' return values and gives one loss, or one loss per example,
    to be held under `limit`.

    `tolerance` is the relative deviation an `exact` metric may have from its committed baseline;
    `floor` the smallest relative effect of a `paired` metric that counts.
    """

    name: str
    unit: str
    better: Better = "lower"
    gate: Gate = "report"
    value: Callable[[Any], float] | None = None
    work: Callable[[Any], float] | None = None
    counter: CounterName | None = None
    probe: ProbeName | None = None
    compare: Callable[[Any, Any], float | Sequence[float]] | None = None
    limit: float | None = None
    tolerance: float = 0.0
    floor: float = 0.025
    clock: Clock | None = None

    def __post_init__(self) -> None:
        readers = [name for name in _READERS if getattr(self, name) is not None]
        if len(readers) > 1:
            raise ValueError(f"metric {self.name!r} has several readers: {', '.join(readers)}; keep one")
        if (self.gate == "bounded") != (self.compare is not None and self.limit is not None):
            raise ValueError(f"metric {self.name!r}: gate 'bounded' goes with both compare= and limit=")
        if self.limit is not None and (self.gate != "bounded" or not math.isfinite(self.limit)):
            raise ValueError(f"metric {self.name!r}: limit= is a finite number, with gate 'bounded' only")
        if self.compare is not None and (self.gate == "paired" or self.better == "higher"):
            raise ValueError(
                f"metric {self.name!r}: compare= gives a loss, lower is better; gate 'bounded' or 'report'"
            )
        if self.gate == "exact" and self.value is None and self.counter is None:
            raise ValueError(f"metric {self.name!r}: gate 'exact' counts something: give value= or counter=")
        if self.gate == "paired" and self.probe is not None:
            raise ValueError(
                f"metric {self.name!r}: a probe runs outside the paired rounds; use gate 'report'"
            )
        if not (0 <= self.floor < math.inf and 0 <= self.tolerance < math.inf):
            raise ValueError(f"metric {self.name!r}: floor and tolerance must be finite and not negative")

    @property
    def is_timed(self) -> bool:
        """Whether the metric is read from the clock."""
        return all(getattr(self, name) is None for name in _READERS if name != "work")


@dataclass(frozen=True, slots=True)
class Claim:
    """A range that a source document promised for one metric.

    Exactly one of `ratio` (optimized / baseline) and `value` is given, as (low, high); use infinity for an
    open end. `value` is in the metric's unit: a loss (see `compare`), or what the optimized arm reaches.
    `rows` restricts the claim to hardware rows.
    """

    metric: str
    source: str
    quote: str
    ratio: tuple[float, float] | None = None
    value: tuple[float, float] | None = None
    rows: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.ratio is None) == (self.value is None):
            raise ValueError(f"claim on {self.metric!r}: give exactly one of ratio= and value=")
        low, high = self.band
        if math.isnan(low) or math.isnan(high) or low > high:
            raise ValueError(f"claim on {self.metric!r}: ({low}, {high}) is no range from low to high")

    @property
    def band(self) -> tuple[float, float]:
        """The promised (low, high)."""
        band = self.ratio if self.ratio is not None else self.value
        assert band is not None
        return band


@dataclass(frozen=True, slots=True)
class Requires:
    """Where an optimization applies.

    `host` means it runs on the host CPU whatever the accelerator is, so it is measured on the row
    `cpu` only. `capability` is a CUDA compute capability such as "8.0"; `model` names a role in
    the matrix's `[models]`; `extras` are this project's optional dependency groups.
    """

    kind: Kind = "any"
    capability: str = ""
    memory_gib: float = 0.0
    gpus: int = 0
    rows: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    model: str = ""


@dataclass(frozen=True, slots=True)
class Optimization:
    """One named change: what it is, its metrics, what was promised, where it applies."""

    name: str
    title: str
    metrics: tuple[Metric, ...]
    claims: tuple[Claim, ...] = ()
    requires: Requires = Requires()
    role: Role = "candidate"

    def __post_init__(self) -> None:
        names = [metric.name for metric in self.metrics]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"optimization {self.name!r}: metrics need distinct names, at least one")
        for claim in self.claims:
            metric = next((m for m in self.metrics if m.name == claim.metric), None)
            if metric is None:
                raise ValueError(f"optimization {self.name!r}: claim on unknown metric {claim.metric!r}")
            if metric.compare is not None and claim.value is None:
                raise ValueError(
                    f"optimization {self.name!r}: a claim on the loss {claim.metric!r} takes value="
                )
