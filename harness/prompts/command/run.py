"""`harness optimize-prompt`: from examples to a better instruction, judged on examples it never saw."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.calls.answer import Role
from harness.calls.cache import ResponseCache
from harness.calls.journal import Journal
from harness.calls.model import Model
from harness.calls.opening import EngineKind, Local, Opened, opened
from harness.calls.tally import Tally
from harness.errors import EXIT_DONE, HarnessError
from harness.models.embedded import DEFAULT
from harness.prompts.command import dry_run, options, outputs
from harness.prompts.command.job import Job, job_of
from harness.prompts.command.models import lower_model, reflection_model, task_model
from harness.prompts.command.outcome import Judged, Search, searched, stock_searched
from harness.prompts.evaluate import compare, evaluate
from harness.prompts.optimize.room import room_for
from harness.prompts.optimize.run import optimize
from harness.prompts.optimize.settings import fingerprint
from harness.prompts.optimize.stopping import Standing
from harness.prompts.program import Program
from harness.prompts.stock.gepa import StockSettings, stock_gepa
from harness.prompts.transfer.divergence import check_evaluations, precision_name
from harness.prompts.transfer.matrix import OptimizedPrompt, Transfer, transfer_matrix

JOURNAL, STOCK = "journal.jsonl", "stock.jsonl"


def add_options(parser: argparse.ArgumentParser, matrix: Path) -> None:
    """The options of the command."""
    options.add_options(parser, matrix)
    parser.set_defaults(run=run, goes_on="; the same command goes on and pays for no answer twice")


def run(asked: argparse.Namespace) -> int:
    """Optimize, judge, check, write; with --dry-run only say what that would take."""
    job = job_of(asked)
    with (
        task_model(job.choice, job.data, job.threads) as task,
        reflection_model(job.choice, job.data, job.threads) as reflection,
    ):
        if asked.dry_run:
            sys.stdout.write("\n".join(dry_run.plan_lines(job, task, reflection)) + "\n")
            return EXIT_DONE
        outputs.prepare(job)
        started = time.monotonic()
        with _kept(job, task, reflection) as kept:
            search = _search(job, kept, task, reflection)
            judged = _judge(job, kept, task, search)
    sys.stdout.write(outputs.write(job, search, judged, kept.tally, time.monotonic() - started))
    return EXIT_DONE


@dataclass(frozen=True, slots=True)
class _Kept:
    """Where the answers and counts of one run go."""

    journal: Journal | None = None
    cache: ResponseCache | None = None
    tally: Tally = field(default_factory=Tally)

    def model(self, opening: Opened, role: Role) -> Model:
        """The model in a role. Answers of weights that nobody can tell apart are not kept for other runs."""
        cache = self.cache if opening.identity.knows_weights else None
        return opening.model(role, cache=cache, journal=self.journal, tally=self.tally)


@contextmanager
def _kept(job: Job, task: Opened, reflection: Opened) -> Iterator[_Kept]:
    mine, others = (STOCK, JOURNAL) if job.is_stock else (JOURNAL, STOCK)
    if (job.folder / others).exists():
        raise HarnessError(
            "the folder holds a run of the other optimizer",
            where=str(job.folder / others),
            next_step="give another --output",
        )
    course = {
        **fingerprint(job.settings, job.program, job.data.train, job.data.validation),
        **task.identity.fingerprint("task"),
        **reflection.identity.fingerprint("reflection"),
        "test examples": job.data.test.digest,
    }
    with Journal(job.folder / mine, course) as journal:
        if job.is_stock:
            # it asks from its threads in an order of its own: no journal could answer it again
            yield _Kept()
            return
        cache = None if job.asked.no_cache else ResponseCache(job.asked.cache or options.CACHE)
        yield _Kept(journal, cache)


def _search(job: Job, kept: _Kept, task: Opened, reflection: Opened) -> Search:
    models = kept.model(task, "task"), kept.model(reflection, "reflection")
    train, validation, settings = job.data.train, job.data.validation, job.settings
    if job.is_stock:
        stock = StockSettings(
            metric_calls=settings.metric_calls,
            threads=job.threads,
            minibatch=settings.minibatch,
            seed=settings.seed,
            reveal=settings.reveal,
        )
        return stock_searched(stock_gepa(job.program, train, validation, *models, stock))
    fits = room_for(task.engine, job.program.format, job.data.known)
    return searched(optimize(job.program, train, validation, *models, settings, tell=_progress(), fits=fits))


def _progress() -> Callable[[Standing], None]:
    best = -1.0

    def tell(standing: Standing) -> None:
        nonlocal best
        if standing.best > best:
            best = standing.best
            at = f"{standing.metric_calls:>6,} metric calls, {standing.seconds:>6.1f} s"
            sys.stderr.write(f"{at}: validation F1 {best:.3f}\n")
            sys.stderr.flush()

    return tell


def _judge(job: Job, kept: _Kept, task: Opened, search: Search) -> Judged:
    """Both programs on the held-out examples, the new one on the precision it will run on."""
    model, test = kept.model(task, "task"), job.data.test
    after = Program(search.instruction, job.program.format)
    before, optimized = (evaluate(each, test, model) for each in (job.program, after))
    found = None
    with lower_model(job.choice, job.data, job.threads) as lower:
        if lower is not None:
            higher = precision_name(task.identity), optimized
            on_lower = evaluate(after, test, kept.model(lower, "task"))
            found = check_evaluations(higher, (precision_name(lower.identity), on_lower))
    transfers = _transfers(job, kept, task, after) if job.asked.transfer else ()
    return Judged(after, before, optimized, compare(before, optimized), found, transfers)


def _transfers(job: Job, kept: _Kept, task: Opened, after: Program) -> tuple[Transfer, ...]:
    """Both prompts on the task model and on every other precision."""
    home = task.identity.quantization or task.identity.model
    with ExitStack() as stack:
        models = {home: kept.model(task, "task")}
        for name in dict.fromkeys(job.asked.transfer):
            if name != home:
                opening = stack.enter_context(opened(_local(job, name), job.threads))
                models[name] = kept.model(opening, "task")
        prompts = [OptimizedPrompt("before", job.program, home), OptimizedPrompt("after", after, home)]
        return tuple(transfer_matrix(prompts, job.data.test, models))


def _local(job: Job, precision: str) -> Local:
    """llama.cpp's precisions have capital letters, those of transformers small ones."""
    engine: EngineKind = "llama.cpp" if precision == precision.upper() else "transformers"
    model = job.asked.check_model or (DEFAULT if job.asked.remote else job.asked.task)
    return Local(model, precision, engine, job.asked.context_tokens)
