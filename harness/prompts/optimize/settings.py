"""How an optimization is to go. Whatever decides its course is in `fingerprint`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version

from harness.engines.protocol import Sampling
from harness.errors import HarnessError
from harness.prompts.evaluate import SAMPLING
from harness.prompts.examples import ExampleSet
from harness.prompts.optimize.budget import proposals_per_iteration
from harness.prompts.optimize.reflection import MOST_CHARACTERS
from harness.prompts.optimize.stopping import DEFAULT_STOPPING, Stopping
from harness.prompts.program import Program

REFLECTION_SAMPLING = Sampling(max_tokens=2048, temperature=0.7)
"""What the origin of prompt-optimizers.md asks its reflection model with."""

COURSE = 2
"""Raise it when the same answers lead another way."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`metric_calls` is the budget: task calls that are scored, as GEPA counts them.

    Each proposal is tried on `minibatch` training examples, fewer where there are fewer. `proposals` are made
    side by side in each iteration; None chooses them by the task model's threads, so the same run on other
    threads takes another course unless they are given. `reveal` shows the expected names to the reflection
    model. Instructions of more than `most_characters` are refused.
    """

    metric_calls: int
    minibatch: int = 3
    proposals: int | None = None
    seed: int = 0
    reveal: bool = False
    most_characters: int = MOST_CHARACTERS
    sampling: Sampling = SAMPLING
    reflection_sampling: Sampling = REFLECTION_SAMPLING
    stopping: Stopping = DEFAULT_STOPPING

    def __post_init__(self) -> None:
        for name in ("metric_calls", "minibatch", "proposals", "most_characters"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise HarnessError(f"{name} is {value}", where="optimization settings", allowed="1 and more")


def settled(settings: Settings, train: int, threads: int) -> Settings:
    """The settings with everything chosen that was left open, for so many training examples."""
    minibatch = min(settings.minibatch, train)
    proposals = settings.proposals or proposals_per_iteration(
        threads, minibatch, train, settings.metric_calls
    )
    return replace(settings, minibatch=minibatch, proposals=proposals)


def fingerprint(
    settings: Settings, program: Program, train: ExampleSet, validation: ExampleSet
) -> Mapping[str, str]:
    """What decides a run's course beside who answers, by name, for the run's journal.

    The budget and the rules to stop are left out: with others the same run goes on longer or shorter. Give it
    `settled` settings.
    """
    return {
        "instruction and form": program.fingerprint,
        "training examples": train.digest,
        "validation examples": validation.digest,
        "minibatch": str(settings.minibatch),
        "proposals side by side": str(settings.proposals),
        "seed": str(settings.seed),
        "names revealed": str(settings.reveal),
        "longest instruction": str(settings.most_characters),
        "task sampling": _text(settings.sampling),
        "reflection sampling": _text(settings.reflection_sampling),
        "optimizer": f"{COURSE} on gepa {version('gepa')}",
    }


def _text(sampling: Sampling) -> str:
    return json.dumps(asdict(sampling), sort_keys=True)
