"""`--dry-run`: what a run will ask for, before it asks anything."""

from __future__ import annotations

import time
from collections.abc import Sequence

from harness.calls.opening import Opened, Remote
from harness.engines.protocol import Request
from harness.prompts.command.data import Data
from harness.prompts.command.job import Job
from harness.prompts.evaluate import SAMPLING
from harness.prompts.optimize.budget import Plan, Shape, claimed_metric_calls, plan
from harness.prompts.optimize.sizes import GROWN_CHARACTERS, Rates, counted_by, reflection_call, task_call
from harness.prompts.program import Program
from harness.render import numbers

_SAMPLE = 4


def plan_lines(job: Job, task: Opened, reflection: Opened) -> list[str]:
    """The plan for people."""
    made = planned(job, task, reflection)
    train, validation, test = job.data.sizes
    most, (fewest, iterations) = made.most_metric_calls, made.iterations
    claimed = claimed_metric_calls(train + validation)
    checked = job.choice.check is not None or job.choice.scripted_error > 0
    cost = "not known" if made.usd is None else f"{made.usd:.2f} USD at the prices given"
    return [
        f"examples    {job.data.origin}",
        (
            f"task        {made.metric_calls:,} to {most:,} calls (prompt-optimizers.md: {claimed:,} in "
            f"light mode for {train + validation} examples)"
        ),
        (
            f"reflection  {made.reflection_calls:,} calls in {fewest:,} to {iterations:,} iterations, "
            f"{made.proposals} side by side"
        ),
        f"held out    up to {(4 if checked else 2) * test:,} calls to report with",
        f"threads     {made.threads}: {job.why_threads}",
        f"tokens      about {made.prompt_tokens:,} in, {made.completion_tokens:,} out ({made.counted_by})",
        _time(made),
        f"cost        {cost}",
        "early stop, cache and journal only make it less",
    ]


def planned(job: Job, task: Opened, reflection: Opened) -> Plan:
    """The plan of a run. A local model is timed on a few examples; what a server takes is not known."""
    train, validation, _ = job.data.sizes
    settings, is_local = job.settings, not isinstance(job.choice.task, Remote)
    assert settings.proposals is not None
    shape = Shape(settings.metric_calls, train, validation, settings.minibatch, settings.proposals)
    rates = Rates(_seconds(task, job.program, job.data) if is_local else 0.0, task.price)
    grown = 0 if job.choice.reflection is None else GROWN_CHARACTERS
    of_task = task_call(task.engine, job.program, job.data.train, rates, grown)
    of_reflection = reflection_call(
        task.engine,
        job.program,
        job.data.train,
        settings.minibatch,
        Rates(job.choice.scripted_latency_s, reflection.price),
        grown,
    )
    return plan(shape, of_task, of_reflection, threads=job.threads, counted_by=counted_by(task.engine))


def _time(made: Plan) -> str:
    if not made.seconds:
        return "time        not known: nothing was asked"
    least = numbers.clock(made.busy_s)
    return (
        f"time        about {numbers.clock(made.seconds)}, at least {least}, modelled from calls timed here"
    )


def _seconds(task: Opened, program: Program, data: Data) -> float:
    """Mean seconds of a call on a few training examples, all open at once as a run has them."""
    requests: Sequence[Request] = program.requests(data.train, SAMPLING)[:_SAMPLE]
    started = time.monotonic()
    for ticket in [task.engine.submit(request) for request in requests]:
        ticket.result()
    return (time.monotonic() - started) / len(requests) * min(task.threads, len(requests))
