"""A plan as vLLM launch commands: what one launch can serve, and why when none can.

From the documentation of vLLM 0.32. One launch has one `--tensor-parallel-size` and one
`--pipeline-parallel-size`; `VLLM_PP_LAYER_PARTITION` gives each pipeline rank its layers. Over
several machines (`--nnodes`, multiprocessing) every machine holds equally many ranks, in the
order of `--node-rank`, so a machine is a run of stages on one GPU type. No command was run on GPUs.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.placement.plan import Plan, Stage
from harness.placement.problem import Config
from harness.render import numbers
from harness.render.escape import printable

VLLM = "0.32"
GPUS_PER_MACHINE = 8
HEAD = '"${HEAD_ADDRESS:?}"'

_CAPABILITY = {
    "H100": (9, 0), "A100": (8, 0), "L40S": (8, 9), "A40": (8, 6), "L40": (8, 9), "RTX4090": (8, 9),
    "L20": (8, 9), "A10": (8, 6), "V100": (7, 0), "T4": (7, 5),
}  # fmt: skip
_BFLOAT16_FROM = (8, 0)
_WHEELS_FROM = (7, 5)


@dataclass(frozen=True, slots=True)
class Launch:
    """One command per machine, in the order of `--node-rank`; `notes` is what they take for granted."""

    tp: int
    layer_partition: tuple[int, ...]
    commands: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def text(self) -> str:
        """A shell script: notes as comments, then each machine's command."""
        lines = [f"# {note}" for note in self.notes]
        for rank, command in enumerate(self.commands):
            if len(self.commands) > 1:
                lines.append(f"# machine {rank}")
            lines.append(command)
        return "\n".join(lines) + "\n"


def obstacle(plan: Plan, config: Config, gpus_per_machine: int = GPUS_PER_MACHINE) -> str:
    """Why one launch cannot serve this plan; empty when it can."""
    degrees = sorted({stage.tp for stage in plan.stages})
    if len(degrees) > 1:
        mixed = ", ".join(map(str, degrees))
        return f"its stages have tensor-parallel sizes {mixed}, and one launch has a single one"
    if degrees[0] > gpus_per_machine:
        return f"its stages span {degrees[0]} GPUs, and a machine has {gpus_per_machine}"
    heads = config.num_attention_heads
    if heads % degrees[0]:
        return f"{heads} attention heads cannot be split over {degrees[0]} GPUs"
    return ""


def launch(plan: Plan, config: Config, gpus_per_machine: int = GPUS_PER_MACHINE) -> Launch:
    """The commands that serve this plan; HarnessError (exit 4) where `obstacle` has something to say."""
    why = obstacle(plan, config, gpus_per_machine)
    if why:
        raise HarnessError(f"one vLLM launch cannot serve this plan: {why}")
    machines = _machines(plan.stages, gpus_per_machine)
    commands = tuple(_command(machines, rank, config) for rank in range(len(machines)))
    return Launch(
        tp=plan.stages[0].tp,
        layer_partition=tuple(stage.layers for stage in plan.stages),
        commands=commands,
        notes=tuple(printable(note, 1000) for note in _notes(machines, config)),
    )


def _machines(stages: Sequence[Stage], gpus_per_machine: int) -> list[list[Stage]]:
    """Runs of equally many stages, as many as a machine holds, each run on one GPU type."""
    most = gpus_per_machine // stages[0].tp
    for run in range(min(most, len(stages)), 0, -1):
        parts = [list(stages[at : at + run]) for at in range(0, len(stages), run)]
        if len(stages) % run == 0 and all(len({stage.gpu_type for stage in part}) == 1 for part in parts):
            return parts
    raise AssertionError("a machine holds one stage at least")


def _command(machines: Sequence[Sequence[Stage]], rank: int, config: Config) -> str:
    stages = [stage for machine in machines for stage in machine]
    tp, here = stages[0].tp, sum(stage.tp for stage in machines[rank])
    environment = {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": ",".join(map(str, range(here))),
    }
    if len(stages) > 1:
        environment["VLLM_PP_LAYER_PARTITION"] = ",".join(str(stage.layers) for stage in stages)
    options = [
        ("--tensor-parallel-size", str(tp)),
        ("--pipeline-parallel-size", str(len(stages))),
        ("--max-model-len", str(config.sequence_length + config.output_length)),
        ("--max-num-seqs", str(config.batch_size)),
        *_dtype(stages, config),
    ]
    if len(machines) > 1:
        options += [("--nnodes", str(len(machines))), ("--node-rank", str(rank)), ("--master-addr", HEAD)]
    parts = [*(f"{name}={value}" for name, value in environment.items())]
    parts.append(f"vllm serve {shlex.quote(_model(config))}")
    parts += [f"{name} {value}" for name, value in options]
    if rank:
        parts.append("--headless")
    return " \\\n  ".join(parts)


def _model(config: Config) -> str:
    name = config.model_name
    if not name or name.startswith("-") or not name.isprintable():
        raise HarnessError(
            f"{printable(name)!r} cannot be served as a model name",
            where="config.csv, model_name",
            allowed="a repository or folder: printable, not starting with a dash",
        )
    return name


def _dtype(stages: Sequence[Stage], config: Config) -> list[tuple[str, str]]:
    if config.bytes_per_element == 4:
        return [("--dtype", "float32")]
    old = any(_CAPABILITY.get(stage.gpu_type, _BFLOAT16_FROM) < _BFLOAT16_FROM for stage in stages)
    return [("--dtype", "half")] if old and config.bytes_per_element == 2 else []


def _notes(machines: Sequence[Sequence[Stage]], config: Config) -> list[str]:
    notes = [f"written for vLLM {VLLM}, never run here; pool GPUs are numbered as gpu_pool.csv lists them"]
    for rank, machine in enumerate(machines):
        gpus = [gpu for stage in machine for gpu in stage.gpus]
        where = f"machine {rank}" if len(machines) > 1 else "one machine"
        notes.append(
            f"{where}: {len(gpus)} x {machine[0].gpu_type} (pool GPUs {_span(gpus)}), "
            f"{numbers.several(len(machine), 'stage')}"
        )
    if len(machines) > 1:
        notes.append("HEAD_ADDRESS is where the other machines reach machine 0; start every command")
    types = dict.fromkeys(stage.gpu_type for machine in machines for stage in machine)
    for name in types:
        capability = _CAPABILITY.get(name)
        if capability is None:
            notes.append(f"{name}: its compute capability is not known here, the data type is left to vLLM")
        elif capability < _WHEELS_FROM:
            notes.append(
                f"{name} has compute capability {capability[0]}.{capability[1]}; vLLM's own builds ask for "
                f"{_WHEELS_FROM[0]}.{_WHEELS_FROM[1]}, so this needs vLLM built from source"
            )
    if config.bytes_per_element == 1:
        notes.append("1 byte per element: the model must be a checkpoint quantized to 8 bits")
    return notes


def _span(gpus: Sequence[int]) -> str:
    whole = list(gpus) == list(range(gpus[0], gpus[-1] + 1))
    return f"{gpus[0]}-{gpus[-1]}" if whole and len(gpus) > 1 else ", ".join(map(str, gpus))
