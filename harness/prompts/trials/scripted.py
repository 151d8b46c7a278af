"""Whole optimizations on scripted models, ours and stock, that benchmarks count and time.

The task model finds the entities of a type only when the instruction names the type; the reflection model
adds one type at a time, or revises without any gain. Both answer alike every time, after a set latency.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.calls.answer import Role
from harness.calls.cache import ResponseCache
from harness.calls.identity import identify_engine
from harness.calls.model import Model
from harness.prompts.examples import ExampleSet
from harness.prompts.generate import generate
from harness.prompts.offline.engine import Conditions, ScriptedEngine
from harness.prompts.offline.reflection import rule_reflection
from harness.prompts.offline.scripted import EXACT, Precision, scripted_model
from harness.prompts.optimize.run import Optimized, optimize
from harness.prompts.optimize.settings import Settings
from harness.prompts.program import TYPED_LIST, Program
from harness.prompts.rules import split_set
from harness.prompts.stock.gepa import StockOptimized, StockSettings, stock_gepa

POOR = Program("Extract entities.", TYPED_LIST)
COMPLETE = Program("Extract the persons, places, organizations and activities.", TYPED_LIST)
_SEED = 1


@dataclass(frozen=True, slots=True)
class Scene:
    """Both scripted models and how many of their calls may be open.

    A call takes `latency_s`, a reflection `reflection_s`, the same where it is None. `gains` False: no
    proposal is better than its parent. `precision` is how the task model errs.
    """

    threads: int = 1
    latency_s: float = 0.0
    reflection_s: float | None = None
    reflection_threads: int | None = None
    gains: bool = True
    precision: Precision = EXACT


@dataclass(frozen=True, slots=True)
class Course:
    """What one optimization took and found.

    `metric_calls` as GEPA counts them; `calls`, `reflections` and `tokens` (of both roles' answers and
    prompts) are those that reached an engine. `peak_open` and `peak_reflections` are the most that were open
    at once.
    """

    metric_calls: int
    calls: int
    reflections: int
    tokens: int
    peak_open: int
    peak_reflections: int
    validation_f1: float
    instruction: str


@functools.cache
def documented_split(examples: int) -> tuple[ExampleSet, ExampleSet]:
    """So many generated examples as prompt-optimizers.md splits them, for training and validation."""
    return split_set(generate(examples, seed=_SEED))


def our_course(
    scene: Scene, settings: Settings, *, examples: int = 30, program: Program = POOR, cache: str = ""
) -> Course:
    """Our optimizer from `program` on; answers are kept in the folder `cache` and used again, where given."""
    train, validation = documented_split(examples)
    with scripted_models(scene, (train, validation), cache) as models:
        found = optimize(program, train, validation, models.task, models.reflection, settings)
        return _course(found, models)


def new_cache_course(scene: Scene, settings: Settings, *, examples: int = 30) -> Course:
    """The same with a response cache that is empty at first and thrown away at the end."""
    with TemporaryDirectory() as folder:
        return our_course(scene, settings, examples=examples, cache=folder)


def stock_course(
    scene: Scene, settings: StockSettings, *, examples: int = 30, program: Program = POOR
) -> Course:
    """Stock `dspy.GEPA` on the same models and examples."""
    train, validation = documented_split(examples)
    with scripted_models(scene, (train, validation)) as models:
        return _course(
            stock_gepa(program, train, validation, models.task, models.reflection, settings), models
        )


def other_outcome(baseline: Course, optimized: Course) -> float:
    """1 where both ended at other instructions, scores or numbers of metric calls, else 0."""
    first, second = (
        (each.instruction, each.validation_f1, each.metric_calls) for each in (baseline, optimized)
    )
    return float(first != second)


def validation_loss(baseline: Course, optimized: Course) -> float:
    """By how much the second one's validation F1 is lower."""
    return baseline.validation_f1 - optimized.validation_f1


@dataclass(frozen=True, slots=True)
class Models:
    """Both models over their engines."""

    task: Model
    reflection: Model
    task_engine: ScriptedEngine
    reflection_engine: ScriptedEngine


@contextmanager
def scripted_models(scene: Scene, known: tuple[ExampleSet, ...], cache: str = "") -> Iterator[Models]:
    """Fresh models that know the entities of all sets in `known`; their engines are closed at the end."""
    examples = ExampleSet(known[0].types, tuple(each for some in known for each in some.examples))
    reflection_s = scene.latency_s if scene.reflection_s is None else scene.reflection_s
    task = scripted_model(examples, TYPED_LIST, Conditions(scene.latency_s), scene.precision)
    rules = rule_reflection(examples.types, Conditions(reflection_s), useless=not scene.gains)
    kept = ResponseCache(Path(cache)) if cache else None

    def model(engine: ScriptedEngine, role: Role, threads: int) -> Model:
        identity = identify_engine(engine, model=engine.name, weights=f"a script, {scene.precision}")
        return Model(engine, identity, role=role, threads=threads, cache=kept)

    try:
        yield Models(
            model(task, "task", scene.threads),
            model(rules, "reflection", scene.reflection_threads or scene.threads),
            task,
            rules,
        )
    finally:
        task.close()
        rules.close()


def _course(found: Optimized | StockOptimized, models: Models) -> Course:
    task, reflection = models.task_engine.counts, models.reflection_engine.counts
    return Course(
        metric_calls=found.metric_calls,
        calls=task.calls,
        reflections=reflection.calls,
        tokens=sum(_tokens(each) for each in (models.task, models.reflection)),
        peak_open=task.peak_open,
        peak_reflections=reflection.peak_open,
        validation_f1=found.best_score,
        instruction=found.instruction,
    )


def _tokens(model: Model) -> int:
    counts = model.tally.counts(model.role)
    return counts.prompt_tokens + counts.completion_tokens
