"""Efficiency constants: what part of its peak a GPU reaches, and what an engine adds.

`constants.json` is written by `fitting.fit_all`; each entry says whether it was fitted (and on what),
assumed or derived. One version string over the content names the set in every result.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from harness.costmodel.constants_check import check_figures
from harness.costmodel.devices import Device
from harness.errors import HarnessError
from harness.hardware.schema import closest

Basis = Literal["fitted", "family", "fallback"]
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class FamilyConstants:
    """What is fitted per family: GPUs of one architecture and kind of memory.

    `bandwidth`: part of the memory's peak that large reads reach. `launch_s`: time in which the host
    launches one layer's kernels, 0 where no engine was measured. `fitted_on`: GPUs of the data.
    """

    architecture: str
    stacked_memory: bool
    bandwidth: float
    launch_s: float
    fitted_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClassConstants:
    """What is fitted per power class: the part of the peak rate that large products reach.

    `flops_per_watt`: what its measured cards reach at their power limit, by architecture.
    """

    compute: float
    flops_per_watt: Mapping[str, float]
    fitted_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SharedConstants:
    """What holds for every GPU; only `all_reduce` is fitted, the others are published or assumed.

    `wave_loss`: part of a wave lost per product. `attention`: rate of attention kernels relative to large
    products. `all_reduce`: part of a link's peak, `all_reduce_latency_s` by kind of link. `kernel_s`: gap
    per kernel. `grouped_*`, `separate_*`: what unpacking few-bit weights costs (see `Precision.unpacking`).
    `narrow_compute`: rate of fp8 and int8 products relative to their own peak times `compute`.
    `host_speed`: single-thread speed of the hosts that an architecture was sold with, relative.
    """

    wave_loss: float
    attention: float
    all_reduce: float
    all_reduce_latency_s: Mapping[str, float]
    kernel_s: float
    grouped_bandwidth: float
    grouped_compute: float
    separate_bandwidth: float
    separate_bytes_per_weight: float
    narrow_compute: float
    host_speed: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class EngineConstants:
    """What a serving engine adds to its operators.

    `passes`: traffic of norms, activations and residuals relative to fused kernels. `launches`: whether
    the host launches every layer anew (eager), so that its time bounds the step. `step_s`, `prefill_s` and
    `sequence_s` are added to each step, to one with prompts in it, and per decoding sequence.
    """

    name: str
    passes: float
    launches: bool
    step_s: float
    prefill_s: float
    sequence_s: float
    provenance: str


@dataclass(frozen=True, slots=True)
class GpuConstants:
    """The constants of one device. `error` is the expected (median, p90) absolute error as fractions."""

    bandwidth: float
    compute: float
    launch_s: float
    basis: Basis
    note: str
    error: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Constants:
    """The whole set. `layer_context_tokens` belongs to the layer-time data alone: the length that its
    decode rows leave out, per GPU. `errors`: expected error per basis, from held-out data."""

    families: Mapping[str, FamilyConstants]
    classes: Mapping[str, ClassConstants]
    shared: SharedConstants
    engines: Mapping[str, EngineConstants]
    layer_context_tokens: Mapping[str, float]
    errors: Mapping[Basis, tuple[float, float]]
    provenance: Mapping[str, str]

    @property
    def version(self) -> str:
        """A name of the content: any changed figure changes it."""
        digest = hashlib.sha256(constants_text(self).encode()).hexdigest()
        return f"roofline-{digest[:12]}"

    def engine(self, name: str) -> EngineConstants:
        """The engine called `name`; HarnessError lists those that exist."""
        if name in self.engines:
            return self.engines[name]
        raise HarnessError(
            f"there are no constants of an engine {name!r}",
            allowed=", ".join(self.engines),
            next_step=closest(name, self.engines) or "take one of these",
        )

    def gpu(self, device: Device) -> GpuConstants:
        """The constants of `device`: fitted, of its family, or the documented fallback.

        Bandwidth: the family's, else the geometric mean of all families (memories differ less than what
        surrounds them). Compute: by power class; a card of an architecture whose slot-powered sibling was
        measured gets no more FLOPs out of a watt than that one. Launches: the architecture's, else another
        one's scaled by the speed of the hosts, else the geometric mean.
        """
        family = self.families.get(family_name(device))
        bandwidth = family.bandwidth if family else _mean([f.bandwidth for f in self.families.values()])
        kind = power_class(device)
        known = self.classes.get(kind) or next(iter(self.classes.values()))
        compute = known.compute
        for measured in self.classes.values():
            watt = measured.flops_per_watt.get(device.architecture, math.inf)
            if measured is not known and device.power_limit_w > 0.0:
                compute = min(compute, watt * device.power_limit_w / device.rate("fp16")[1])
        fitted = family is not None and device.name in family.fitted_on
        basis: Basis = "fitted" if fitted else "family" if family else "fallback"
        return GpuConstants(
            bandwidth=bandwidth,
            compute=compute,
            launch_s=self._launch_s(device),
            basis=basis,
            note=_note(basis, device, family_name(device), kind),
            error=self.errors.get(basis, (math.nan, math.nan)),
        )

    def unstated_context_tokens(self, device: Device) -> float:
        """KV tokens per sequence that the layer-time data leave out for `device`; elsewhere their mean."""
        known = self.layer_context_tokens
        if device.name in known:
            return known[device.name]
        return _mean(list(known.values())) if known else 0.0

    def _launch_s(self, device: Device) -> float:
        measured = {f.architecture: f.launch_s for f in self.families.values() if f.launch_s}
        if device.architecture in measured or not measured:
            return measured.get(device.architecture, 0.0)
        speeds = self.shared.host_speed
        if device.architecture in speeds:
            scaled = [value * speeds[name] for name, value in measured.items() if name in speeds]
            return _mean(scaled) / speeds[device.architecture] if scaled else _mean(list(measured.values()))
        return _mean(list(measured.values()))


def family_name(device: Device) -> str:
    """Such as `Ampere HBM`."""
    return f"{device.architecture} {'HBM' if device.stacked_memory else 'GDDR'}"


def power_class(device: Device) -> str:
    """Such as `slot_powered`: which of `Constants.classes` applies."""
    return "slot_powered" if device.slot_powered else "unthrottled"


def constants_text(constants: Constants) -> str:
    """The JSON text of the set, as committed."""
    document = {"schema_version": SCHEMA_VERSION, **asdict(constants)}
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def constants_from_text(text: str, where: str) -> Constants:
    """Constants from the text that `constants_text` writes; HarnessError names what is wrong in `where`."""
    try:
        data = json.loads(text)
        if data.pop("schema_version") != SCHEMA_VERSION:
            raise ValueError(f"schema_version is not {SCHEMA_VERSION}")
        found = Constants(
            families={key: FamilyConstants(**_tuples(entry)) for key, entry in data.pop("families").items()},
            classes={key: ClassConstants(**_tuples(entry)) for key, entry in data.pop("classes").items()},
            shared=SharedConstants(**data.pop("shared")),
            engines={key: EngineConstants(**entry) for key, entry in data.pop("engines").items()},
            errors={key: (float(pair[0]), float(pair[1])) for key, pair in data.pop("errors").items()},
            **data,
        )
        check_figures(found)
        return found
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise HarnessError(
            f"is no set of constants ({error})",
            where=where,
            allowed="the text that `harness predict calibrate` writes",
            next_step="write it anew",
        ) from error


def load_constants(path: Path | None = None) -> Constants:
    """The set at `path`, else the one that comes with the harness."""
    if path is None:
        return _shipped()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HarnessError(
            f"cannot be read ({error})", where=str(path), next_step="check the path and its permissions"
        ) from error
    return constants_from_text(text, str(path))


@functools.cache
def _shipped() -> Constants:
    text = resources.files("harness.costmodel").joinpath("constants.json").read_text("utf-8")
    return constants_from_text(text, "constants.json")


def _tuples(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "fitted_on": tuple(entry["fitted_on"])}


def _mean(values: Sequence[float]) -> float:
    """Geometric, since errors are ratios."""
    return math.exp(sum(math.log(value) for value in values) / len(values))


def _note(basis: Basis, device: Device, family: str, kind: str) -> str:
    if basis == "fitted":
        return f"fitted on measured steps of {device.name}"
    if basis == "family":
        return f"of the family {family}, whose other cards were measured"
    return f"fallback: no {family} card was measured; mean bandwidth efficiency, power class {kind}"
