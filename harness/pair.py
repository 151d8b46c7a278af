"""What a benchmark file talks to: one pair of arms, declared and then run on one hardware row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.hardware import Checkpoint, Row
from harness.measure.arms import Arm
from harness.measure.outcome import Cell
from harness.measure.probes import Tally
from harness.measure.spec import Optimization
from harness.provenance import workload_hash

Modelled = Callable[[Row], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Identity:
    """Which cell this is, before anything was declared."""

    nodeid: str
    optimization: Optimization
    row: Row
    params: dict[str, Any]
    benchmark_hash: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the benchmark file declared: the arms, their model on other hardware, their inputs."""

    baseline: Arm
    optimized: Arm
    each_round: Callable[[], Any] | None
    modelled: tuple[Modelled, Modelled] | None
    model_version: str
    workload_hash: str
    tally: Tally


class PairedBenchmark:
    """The `ab` fixture. Declare with `uses`, `arms` and `modelled`, then `run` once.

    Whatever is costly belongs into an arm's `prepare`: on hardware that this machine is not, the
    test body runs but the arms do not. `model` is the checkpoint of the role in `Requires(model=...)`.
    """

    def __init__(
        self,
        identity: Identity,
        root: Path,
        settle: Callable[[Identity, Declaration], Cell],
        model: Checkpoint | None = None,
    ) -> None:
        self._identity = identity
        self.model = model
        self._root = root
        self._settle = settle
        self._inputs: list[tuple[str, Path]] = []
        self._arms: tuple[Arm, Arm, Callable[[], Any] | None] | None = None
        self._modelled: tuple[Modelled, Modelled] | None = None
        self._model_version = ""
        self.tally = Tally()
        self.cell: Cell | None = None

    @property
    def hardware(self) -> Row:
        """The hardware row of this cell."""
        return self._identity.row

    def uses(self, path: str | Path) -> Path:
        """Declare an input file or folder, relative to the project root: it enters the workload hash."""
        absolute = (self._root / path).resolve()
        if not absolute.exists():
            raise HarnessError("no such input", where=str(path), next_step="ab.uses() takes an existing path")
        self._inputs.append((str(path), absolute))
        return absolute

    def arms(
        self,
        baseline: Callable[..., Any] | Arm,
        optimized: Callable[..., Any] | Arm,
        each_round: Callable[[], Any] | None = None,
    ) -> None:
        """Declare both arms, sync or async; `each_round` makes fresh, untimed input per execution."""
        self._arms = (_arm(baseline), _arm(optimized), each_round)

    def modelled(self, baseline: Modelled, optimized: Modelled, version: str) -> None:
        """Declare what both arms would give on a row, as {metric: value}, by a model of that version."""
        self._modelled = (baseline, optimized)
        self._model_version = version

    def run(self) -> Cell:
        """Measure the pair, or model it, or say why not; the cell is kept in the run's folder."""
        if self._arms is None:
            raise HarnessError(
                "ab.run() without arms", where=self._identity.nodeid, next_step="call ab.arms()"
            )
        if self.cell is not None:
            raise HarnessError("ab.run() twice", where=self._identity.nodeid, next_step="use parametrize")
        declaration = Declaration(
            *self._arms,
            modelled=self._modelled,
            model_version=self._model_version,
            workload_hash=workload_hash(self._inputs, self._identity.params),
            tally=self.tally,
        )
        self.cell = self._settle(self._identity, declaration)
        return self.cell


def _arm(given: Callable[..., Any] | Arm) -> Arm:
    return given if isinstance(given, Arm) else Arm(given)
