"""Scripted models of both roles, and examples for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from harness.calls.identity import identify_engine
from harness.calls.model import Model
from harness.engines.protocol import Sampling
from harness.prompts.examples import ExampleSet
from harness.prompts.generate import generate_splits
from harness.prompts.offline.engine import IDEAL, Conditions, ScriptedEngine
from harness.prompts.offline.reflection import rule_reflection
from harness.prompts.offline.scripted import EXACT, Precision, scripted_model
from harness.prompts.optimize.run import Optimized, optimize
from harness.prompts.optimize.settings import Settings
from harness.prompts.optimize.stopping import Stopping
from harness.prompts.program import TYPED_LIST, AnswerFormat, Program

POOR = Program("Extract entities.", TYPED_LIST)
BEST = Program("Extract the persons, places, organizations and activities.", TYPED_LIST)
NEVER = Stopping(perfect=None, plateau=None, unusable=None)
"""Goes on to the end of the budget."""
GREEDY = Sampling(max_tokens=2048)


@cache
def sets(train: int = 27, validation: int = 3) -> tuple[ExampleSet, ExampleSet]:
    """Training and validation examples."""
    made = generate_splits(seed=1, sizes={"train": train, "validation": validation})
    return made["train"], made["validation"]


@dataclass(frozen=True)
class Trial:
    """Both models and their engines."""

    train: ExampleSet
    validation: ExampleSet
    task: Model
    reflection: Model
    task_engine: ScriptedEngine
    reflection_engine: ScriptedEngine

    def optimize(self, settings: Settings, program: Program = POOR, **options: Any) -> Optimized:
        return optimize(program, self.train, self.validation, self.task, self.reflection, settings, **options)

    @property
    def asked(self) -> int:
        """Calls that reached an engine."""
        return self.task_engine.counts.calls + self.reflection_engine.counts.calls


@contextmanager
def trial(
    train: int = 27,
    validation: int = 3,
    *,
    threads: int = 1,
    conditions: Conditions = IDEAL,
    reflecting: Conditions = IDEAL,
    precision: Precision = EXACT,
    form: AnswerFormat = TYPED_LIST,
    useless: bool = False,
    **options: Any,
) -> Iterator[Trial]:
    """Models with `options` (journal, cache, tally, price) on fresh engines."""
    examples = sets(train, validation)
    known = ExampleSet(examples[0].types, examples[0].examples + examples[1].examples)
    with scripted(scripted_model(known, form, conditions, precision), "task", threads, options) as task:
        rules = rule_reflection(known.types, reflecting, useless=useless)
        with scripted(rules, "reflection", threads, options) as reflection:
            yield Trial(*examples, task[0], reflection[0], task[1], reflection[1])


@contextmanager
def scripted(
    engine: ScriptedEngine, role: Any, threads: int, options: dict[str, Any]
) -> Iterator[tuple[Model, ScriptedEngine]]:
    """A model over the engine, which is closed at the end."""
    identity = identify_engine(engine, model=engine.name, weights="a script")
    try:
        yield Model(engine, identity, role=role, threads=threads, **options), engine
    finally:
        engine.close()
