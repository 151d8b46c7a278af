"""The page about one optimization run: what changed, what it gained, what it cost, whether it holds."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.calls.tally import Counts
from harness.measure.divergence import score_interval
from harness.prompts.evaluate import Comparison, Evaluation, explain_comparison
from harness.prompts.examples import EntityType
from harness.prompts.program import Program
from harness.prompts.report.findings import Finding, findings_table
from harness.prompts.report.pareto import PromptPoint, pareto_table
from harness.prompts.report.pareto_plot import pareto_plot
from harness.prompts.report.tree import Node, tree_lines, tree_plot
from harness.prompts.report.winners_bias import explain_bias, winners_bias
from harness.prompts.transfer.divergence import OPTIMIZE_LOCALLY, Check, check_lines
from harness.prompts.transfer.matrix import Transfer, transfer_sentences, transfer_table
from harness.render import numbers
from harness.render.sections import Bullets, Chart, Lines, Page, Paragraph, Section
from harness.render.tables import Table, score_text


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """Everything that the page says.

    `baseline` and `optimized` are of the same held-out examples, `comparison` is of the two. `candidates`
    (`tree_nodes`) have their scores on the validation set. `calls` is by role, `wall_s` the time of the
    whole run. `unusable` counts the reflection model's replies that were no instruction, by reason.
    `facts` are texts by name: hardware row, models, data, commit, seed. `origin` is where the figures come
    from: measured, modelled or quoted.
    """

    name: str
    types: tuple[EntityType, ...]
    before: Program
    after: Program
    baseline: Evaluation
    optimized: Evaluation
    comparison: Comparison
    candidates: tuple[Node, ...]
    calls: Mapping[str, Counts]
    wall_s: float
    metric_calls: int
    iterations: int
    stop_reason: str
    facts: Mapping[str, str]
    unusable: Mapping[str, int] = field(default_factory=dict)
    points: tuple[PromptPoint, ...] = ()
    findings: tuple[Finding, ...] = ()
    check: Check | None = None
    transfers: tuple[Transfer, ...] = ()
    optimize_locally: str = OPTIMIZE_LOCALLY
    origin: str = "measured"


def run_page(run: FinishedRun) -> Page:
    """The page; `markdown_page` and `html_page` write it."""
    sections = (
        Section("Result on held-out examples", _result(run)),
        Section("Instruction", _instruction(run)),
        Section("By entity type", (_by_type(run),)),
        Section("Calls, tokens, cost and time", _spent(run)),
        Section("Candidates", _candidates(run)),
        *([Section("Score against length and latency", _pareto(run.points))] if run.points else []),
        Section("Lint of the optimized instruction", _lint(run.findings)),
        Section("On a lower precision", _precision(run)),
        Section("Where the figures come from", (_facts(run),)),
    )
    return Page(
        f"Prompt optimization: {run.name}",
        explain_comparison(run.comparison),
        sections,
        "Prompt optimization report",
    )


def _result(run: FinishedRun) -> tuple[Table, Paragraph]:
    rows = tuple(
        (
            name,
            score_text(arm.f1, *arm.f1_interval()),
            score_text(arm.micro_f1, *arm.micro_f1_interval()),
            f"{len(arm.scores):,}",
            f"{arm.unreadable:,}",
            numbers.quantity(arm.latency_s, "s"),
            run.origin,
        )
        for name, arm in (("baseline", run.baseline), ("optimized", run.optimized))
    )
    head = ("program", "F1", "micro F1", "examples", "unreadable", "time per answer", "provenance")
    explained = (
        "F1 is the mean over examples, which is what was optimized; intervals are 95 %, over examples."
    )
    return Table(head, rows, frozenset({0, 6})), Paragraph(explained)


def _instruction(run: FinishedRun) -> tuple[Paragraph | Lines, ...]:
    before, after = run.before.instruction.splitlines(), run.after.instruction.splitlines()
    diff = tuple(difflib.unified_diff(before, after, n=len(before), lineterm=""))
    if not diff:
        return Paragraph("The instruction did not change."), Lines(tuple(before))
    # without the two lines that name the files
    return (Lines(diff[2:], "diff"),)


def _by_type(run: FinishedRun) -> Table:
    names = {each.id: each.name for each in run.types}
    others = sorted({*run.baseline.type_scores, *run.optimized.type_scores} - set(names))
    rows = tuple(
        (
            names.get(type_id, f"no such type ({type_id})"),
            _type_f1(run.baseline, type_id),
            _type_f1(run.optimized, type_id),
            run.origin,
        )
        for type_id in (*names, *others)
    )
    return Table(
        ("entity type", "baseline micro F1", "optimized micro F1", "provenance"), rows, frozenset({0, 3})
    )


def _type_f1(arm: Evaluation, type_id: int) -> str:
    if type_id not in arm.type_scores:
        return numbers.NOTHING
    return score_text(arm.type_f1(type_id), *arm.type_f1_interval(type_id))


def _spent(run: FinishedRun) -> tuple[Table, Bullets]:
    whole = Counts()
    for each in run.calls.values():
        whole = whole.plus(each)
    rows = [(role, *_counts(counts)) for role, counts in run.calls.items()]
    head = (
        "role", "calls", "failed", "retries", "cache hits", "journal hits", "prompt tokens",
        "completion tokens", "USD", "provenance",
    )  # fmt: skip
    table = Table(head, (*rows, ("all", *_counts(whole))), frozenset({0, 9}))
    ended = (
        f"{numbers.several(run.iterations, 'iteration')}, {numbers.several(run.metric_calls, 'metric call')}"
    )
    notes = [
        f"wall time {numbers.clock(run.wall_s)} ({run.origin}); {ended}; stopped by: {run.stop_reason}",
        "calls and tokens are counted where they are sent; USD are these tokens at the prices given",
    ]
    if run.unusable:
        told = ", ".join(f"{count:,} {reason}" for reason, count in run.unusable.items())
        notes.append(f"replies of the reflection model that were no instruction: {told}")
    if whole.earlier_calls:
        notes.append(
            f"answers of {numbers.several(whole.earlier_calls, 'call')} came from an earlier process "
            f"({numbers.significant(whole.earlier_usd)} USD) of this run and were not paid for again"
        )
    return table, Bullets(tuple(notes))


def _counts(counts: Counts) -> tuple[str, ...]:
    figures = (
        counts.calls, counts.failures + counts.timeouts, counts.retries, counts.cache_hits,
        counts.journal_hits, counts.prompt_tokens, counts.completion_tokens,
    )  # fmt: skip
    return (*(f"{figure:,}" for figure in figures), numbers.significant(counts.usd), "counted")


def _candidates(run: FinishedRun) -> tuple[Paragraph | Lines | Chart, ...]:
    if not run.candidates:
        return (Paragraph("No candidate was kept."),)
    said = f"Validation scores ({run.origin}); * marks the chosen one."
    blocks = (Paragraph(said), Lines(tuple(tree_lines(run.candidates))), Chart(tree_plot(run.candidates)))
    scores = [each.scores for each in run.candidates if each.scores]
    if not scores or len({len(each) for each in scores}) > 1:
        return blocks
    return (*blocks, Paragraph(f"{explain_bias(winners_bias(scores))} (estimated from {run.origin} scores)"))


def _pareto(points: Sequence[PromptPoint]) -> tuple[Table, Chart]:
    return pareto_table(points), Chart(pareto_plot(points))


def _lint(findings: Sequence[Finding]) -> tuple[Table | Paragraph]:
    return (findings_table(findings),) if findings else (Paragraph("Nothing found."),)


def _precision(run: FinishedRun) -> tuple[Table | Paragraph | Bullets, ...]:
    blocks: list[Table | Paragraph | Bullets] = []
    if run.check is None:
        blocks.append(Paragraph("The prompt was not checked on a lower precision."))
    else:
        blocks.append(Bullets((*check_lines(run.check, run.optimize_locally), f"provenance: {run.origin}")))
    if run.transfers:
        blocks += [transfer_table(run.transfers), Bullets(tuple(transfer_sentences(run.transfers)))]
    return tuple(blocks)


def _facts(run: FinishedRun) -> Table:
    facts = {"figures": run.origin, **run.facts}
    return Table(("what", "which"), tuple(facts.items()), frozenset({0, 1}))


def prompt_points(
    candidates: Sequence[Node],
    prompt_tokens: Sequence[int],
    latencies_s: Sequence[float] = (),
    origin: str = "measured",
) -> tuple[PromptPoint, ...]:
    """The accepted candidates with their validation scores, given the prompt tokens of each.

    Raises ValueError for unequal lengths.
    """
    timed = latencies_s or [math.nan] * len(candidates)
    return tuple(
        PromptPoint(f"#{number}", each.score, tokens, seconds, *score_interval(each.scores)[1:], origin)
        for number, (each, tokens, seconds) in enumerate(zip(candidates, prompt_tokens, timed, strict=True))
        if each.scores
    )
