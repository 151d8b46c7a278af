"""Which models a run asks: the task model, the reflection model, and the precision the prompt will run on."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.calls.identity import identify_engine
from harness.calls.opening import GGUF, EngineKind, Local, Opened, Remote, opened
from harness.calls.price import FREE, Price
from harness.errors import HarnessError
from harness.models.embedded import DEFAULT, model_folder
from harness.models.gguf.quantize import PRECISIONS as LLAMA_PRECISIONS
from harness.models.precisions.engines import PRECISIONS
from harness.prompts.command.data import Data
from harness.prompts.offline.engine import Conditions
from harness.prompts.offline.reflection import rule_reflection
from harness.prompts.offline.scripted import EXACT, Precision, scripted_model
from harness.prompts.program import FORMATS, NAMES_BY_TYPE, TYPED_LIST, AnswerFormat, answer_format

SCRIPTED = "scripted"
RULES = "rules"
DEFAULT_PRECISION, DEPLOYED_PRECISION = "Q8_0", "Q4_K_M"
MOST_LATENCY_S = 60.0
REFLECTION_URL, REFLECTION_KEY = "REFLECTION_BASE_URL", "REFLECTION_API_KEY"
_IN_NAME = re.compile(r"(?:I?Q\d\w*|TQ\d\w*|BF16|F16|F32)")
_SCRIPT = "1"  # raise it when the scripted models answer otherwise


@dataclass(frozen=True, slots=True)
class Choice:
    """The models as they were asked for. `check` is the precision that the prompt will run on, if any."""

    task: Local | Remote | None
    reflection: Remote | None
    form: AnswerFormat
    check: Local | None
    scripted_latency_s: float = 0.0
    scripted_error: float = 0.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Task model, reflection model, and what they cost."""
    task = parser.add_argument_group("task model", "what the prompt is for")
    task.add_argument(
        "--task", default=DEFAULT, metavar="MODEL",
        help=f"shipped model, checkpoint folder, GGUF file, or {SCRIPTED}: no weights [%(default)s]",
    )  # fmt: skip
    task.add_argument("--precision", metavar="NAME", help="of the local model [Q8_0; a GGUF file's own]")
    task.add_argument("--engine", choices=("llama.cpp", "transformers"), default="llama.cpp")
    task.add_argument(
        "--remote",
        action="store_true",
        help="ask the server at OPENAI_BASE_URL (key: OPENAI_API_KEY) instead",
    )
    task.add_argument("--model", default="", metavar="NAME", help="its model [the first that it lists]")
    task.add_argument(
        "--dialect", default="openai", help="which server it is: openai, vllm ... [%(default)s]"
    )
    task.add_argument("--context-tokens", type=int, metavar="N", help="where the server does not tell")
    task.add_argument("--quantization", default="", metavar="NAME", help="format of the server's weights")
    task.add_argument("--weights", default="", metavar="ID", help="which ones: kept answers are theirs alone")
    task.add_argument(
        "--format", choices=FORMATS, help="how it answers [what --task was trained on, else typed-list]"
    )
    task.add_argument("--scripted-latency-s", type=float, default=0.0, metavar="S", help="of --task scripted")
    task.add_argument(
        "--scripted-error", type=float, default=0.0, metavar="SHARE",
        help="entities that its lower precision loses, for --check",
    )  # fmt: skip
    other = parser.add_argument_group("reflection model", "who writes better instructions")
    other.add_argument(
        "--reflection-model", default=RULES, metavar="NAME",
        help=f"one served at {REFLECTION_URL} (key: {REFLECTION_KEY}), without that at OPENAI_BASE_URL (key: "
        "OPENAI_API_KEY) [%(default)s: a deterministic one, offline]",
    )  # fmt: skip
    cost = parser.add_argument_group("prices", "US dollars per million tokens")
    for name in ("task", "reflection"):
        cost.add_argument(
            f"--{name}-price", nargs=2, type=float, metavar=("IN", "OUT"), help=f"of the {name} model [0 0]"
        )
    check = parser.add_argument_group("divergence", "does the prompt hold where it will run?")
    check.add_argument(
        "--check", metavar="PRECISION",
        help="local precision to check the prompt on [Q4_K_M of a local --task; none with --remote]",
    )  # fmt: skip
    check.add_argument("--check-model", metavar="MODEL", help="its model [--task]")
    check.add_argument("--no-check", action="store_true")
    check.add_argument(
        "--transfer", nargs="+", default=[], metavar="PRECISION",
        help="local precisions for a matrix of both prompts on each",
    )  # fmt: skip


def choose(options: argparse.Namespace) -> Choice:
    """The models that the options name; raises HarnessError for one that cannot be, before any is asked."""
    _require_scripted(options)
    task = _task(options)
    reflection = None
    if options.reflection_model != RULES:
        url, key = os.environ.get(REFLECTION_URL, ""), os.environ.get(REFLECTION_KEY)
        reflection = Remote(
            base_url=url,
            model=options.reflection_model,
            key_variable=REFLECTION_KEY if key else "",
            price=_price(options.reflection_price),
        )
    form = answer_format(options.format) if options.format else _trained_form(task)
    check = _check(options, task)
    _require_precisions(options, task)
    error = 0.0 if options.no_check else options.scripted_error
    return Choice(task, reflection, form, check, options.scripted_latency_s, error)


def _require_scripted(options: argparse.Namespace) -> None:
    """What is of the scripted model alone, and what it has not."""
    is_scripted = options.task == SCRIPTED and not options.remote
    if not 0.0 <= options.scripted_error < 1.0:
        raise HarnessError(f"--scripted-error is {options.scripted_error:g}", allowed="0 to below 1")
    if not 0.0 <= options.scripted_latency_s <= MOST_LATENCY_S:
        raise HarnessError(
            f"--scripted-latency-s is {options.scripted_latency_s:g}", allowed=f"0 to {MOST_LATENCY_S:g}"
        )
    if options.scripted_error and not is_scripted:
        raise HarnessError("--scripted-error is for the scripted model", allowed=f"--task {SCRIPTED}")
    if is_scripted and (options.check or options.check_model or options.transfer):
        raise HarnessError(
            "the scripted model has no precisions",
            allowed="--scripted-error instead of --check and --transfer",
        )


def _task(options: argparse.Namespace) -> Local | Remote | None:
    price = _price(options.task_price)
    if options.remote:
        return Remote(
            model=options.model,
            dialect=options.dialect,
            context_tokens=options.context_tokens,
            quantization=options.quantization,
            weights=options.weights,
            price=price,
        )
    if options.task == SCRIPTED:
        return None
    precision = options.precision or DEFAULT_PRECISION
    if options.task.endswith(GGUF):
        found = _IN_NAME.findall(Path(options.task).stem)
        precision = options.precision or (found[-1] if found else "as in the file")
        if found and precision != found[-1]:
            raise HarnessError(f"--precision is {precision}", where=options.task, allowed=found[-1])
    else:
        model_folder(options.task)
    return Local(options.task, precision, options.engine, options.context_tokens, price=price)


def _trained_form(task: Local | Remote | None) -> AnswerFormat:
    """What the shipped model was trained on, under whichever name it is given; else the general form."""
    if not isinstance(task, Local):
        return TYPED_LIST
    path = Path(task.model)
    is_shipped = path.name.startswith(f"{DEFAULT}-") if task.model.endswith(GGUF) else path.name == DEFAULT
    return NAMES_BY_TYPE if is_shipped else TYPED_LIST


def _check(options: argparse.Namespace, task: Local | Remote | None) -> Local | None:
    if options.no_check or task is None:
        return None
    if options.check_model and not options.check:
        raise HarnessError("--check-model names no precision", next_step="give --check too")
    is_file = isinstance(task, Local) and task.model.endswith(GGUF)
    if options.check is None and (not isinstance(task, Local) or is_file):
        return None
    precision = options.check or DEPLOYED_PRECISION
    if options.check is None and isinstance(task, Local) and task.precision == precision:
        return None
    model = options.check_model or (task.model if isinstance(task, Local) else DEFAULT)
    if model.endswith(GGUF):
        raise HarnessError(
            "a GGUF file has one precision only",
            where=model,
            next_step="name the checkpoint folder that it was made from with --check-model",
        )
    model_folder(model)
    engine: EngineKind = "llama.cpp" if precision == precision.upper() else "transformers"
    return Local(model, precision, engine, options.context_tokens)


def _require_precisions(options: argparse.Namespace, task: Local | Remote | None) -> None:
    """Every precision that is named exists, and what it would be made from is a checkpoint."""
    known = (*LLAMA_PRECISIONS, *(each.name for each in PRECISIONS if each.engine == "transformers"))
    named = [*options.transfer, *([options.check] if options.check else [])]
    if isinstance(task, Local) and not task.model.endswith(GGUF):
        named.append(task.precision)
    for name in named:
        if name not in known:
            raise HarnessError(f"there is no precision {name!r}", allowed=", ".join(known))
    if options.transfer and not options.check_model and isinstance(task, Local) and task.model.endswith(GGUF):
        raise HarnessError(
            "a GGUF file has one precision only",
            where="--transfer",
            next_step="name the checkpoint folder that it was made from with --check-model",
        )
    if options.check_model:
        model_folder(options.check_model)


def _price(given: list[float] | None) -> Price:
    return Price(*given) if given else FREE


@contextmanager
def task_model(choice: Choice, data: Data, threads: int) -> Iterator[Opened]:
    """The task model, open."""
    if choice.task is None:
        with _scripted(choice, data, threads, EXACT, "exact") as scripted:
            yield scripted
        return
    with opened(choice.task, threads) as model:
        yield model


@contextmanager
def lower_model(choice: Choice, data: Data, threads: int) -> Iterator[Opened | None]:
    """The precision that the prompt will run on, open; None where none is checked."""
    if choice.task is None and choice.scripted_error:
        lower = Precision(dropped=choice.scripted_error)
        with _scripted(choice, data, threads, lower, f"{100 * choice.scripted_error:g} % lost") as scripted:
            yield scripted
    elif choice.check is None:
        yield None
    else:
        with opened(choice.check, threads) as model:
            yield model


@contextmanager
def reflection_model(choice: Choice, data: Data, threads: int) -> Iterator[Opened]:
    """The reflection model, open."""
    if choice.reflection is not None:
        with opened(choice.reflection, threads) as model:
            yield model
        return
    engine = rule_reflection(data.train.types, Conditions(latency_s=choice.scripted_latency_s))
    try:
        yield Opened(engine, identify_engine(engine, model=RULES, weights=f"rules {_SCRIPT}"), threads)
    finally:
        engine.close()


@contextmanager
def _scripted(
    choice: Choice, data: Data, threads: int, precision: Precision, quantization: str
) -> Iterator[Opened]:
    conditions = Conditions(latency_s=choice.scripted_latency_s, slots=max(threads, 1))
    engine = scripted_model(data.known, choice.form, conditions, precision)
    weights = f"script {_SCRIPT} of {data.known.digest}, {precision}"
    identity = identify_engine(engine, model=SCRIPTED, weights=weights, quantization=quantization)
    try:
        yield Opened(engine, identity, threads)
    finally:
        engine.close()


def where_it_runs(choice: Choice) -> tuple[str, Path | str]:
    """("local" or "remote", the task model's name)."""
    if choice.task is None:
        return "local", SCRIPTED
    return ("remote" if isinstance(choice.task, Remote) else "local"), choice.task.model
