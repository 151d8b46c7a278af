"""What a run leaves: the prompt, when it is better; the report; one line in the run log; a summary."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.calls.opening import Remote
from harness.calls.tally import Tally
from harness.errors import HarnessError
from harness.models.checkpoint import write_bytes
from harness.prompts.command.job import Job
from harness.prompts.command.models import where_it_runs
from harness.prompts.command.outcome import Judged, Search, document
from harness.prompts.evaluate import Evaluation, explain_comparison
from harness.prompts.report.lint import lint
from harness.prompts.report.pareto import PromptPoint
from harness.prompts.report.prompt_file import retire_prompt_file, write_prompt_file
from harness.prompts.report.report import FinishedRun, run_page
from harness.prompts.report.run_log import Entry, LoggedScore, log_table
from harness.prompts.report.run_log_file import append_run, read_run_log
from harness.prompts.report.saved_prompt import SavedPrompt, saved_score, worth_saving
from harness.prompts.report.winners_bias import explain_bias, winners_bias
from harness.prompts.transfer.divergence import check_lines
from harness.prompts.transfer.matrix import terminal_matrix
from harness.render.sections import html_page, markdown_page
from harness.render.tables import markdown_lines

LOG, PROMPT = "runs.jsonl", "prompt.json"


def prepare(job: Job) -> None:
    """Find out before anything is asked whether the results can be written."""
    log = job.folder.parent / LOG
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
        probe = job.folder / ".probe"
        probe.write_bytes(b"")
        probe.unlink()
        with log.open("ab"):
            pass
    except OSError as error:
        raise HarnessError(
            f"the results could not be written: {error.strerror}",
            where=str(error.filename or job.folder),
            next_step="give another --output",
        ) from None
    read_run_log(log)


def write(job: Job, search: Search, judged: Judged, tally: Tally, wall_s: float) -> str:
    """Write all files below --output; the text for the terminal."""
    result = document(search, judged)
    spent = {"wall_s": wall_s, "threads": job.threads, **tally.document()}
    page = run_page(_finished(job, search, judged, tally, wall_s))
    files = {
        "result.json": json_text(result),
        "spent.json": json_text(spent),
        "report.md": markdown_page(page),
        "report.html": html_page(page),
    }
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_bytes(job.folder / name, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise HarnessError(
            f"the report cannot be written: {error.strerror}",
            where=str(job.folder),
            next_step="give another --output",
        ) from None
    saved = _save(job, judged)
    _log(job.folder.parent / LOG, _entry(job, search, judged, wall_s))
    if job.asked.json:
        return json_text({**result, "spent": spent})
    report = f"report: {job.folder / 'report.html'}"
    return "\n".join([*_summary(search, judged, tally, wall_s), saved, report]) + "\n"


def json_text(found: Mapping[str, Any]) -> str:
    """Indented JSON, null for what has no number."""
    return json.dumps(_plain(found), indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _finished(job: Job, search: Search, judged: Judged, tally: Tally, wall_s: float) -> FinishedRun:
    types, training = job.data.train.types, job.data.train.examples
    return FinishedRun(
        name=job.folder.name,
        types=types,
        before=job.program,
        after=judged.program,
        baseline=judged.baseline,
        optimized=judged.optimized,
        comparison=judged.comparison,
        candidates=search.candidates,
        calls={role: tally.counts(role) for role in tally.document()["roles"]},
        wall_s=wall_s,
        metric_calls=search.metric_calls,
        iterations=search.iterations or 0,
        stop_reason=search.stopped,
        facts=job.facts,
        unusable=search.unusable,
        points=_points(search, judged),
        findings=tuple(lint(judged.program, types, training, seed_instruction=job.program.instruction)),
        check=judged.check,
        transfers=judged.transfers,
    )


def _points(search: Search, judged: Judged) -> tuple[PromptPoint, ...]:
    """Before and after on the held-out examples: their prompts' tokens and latencies were measured there."""
    arms = (("before", judged.baseline), ("after", judged.optimized))
    return tuple(
        PromptPoint(
            name, arm.f1, round(arm.prompt_tokens / len(arm.scores)), arm.latency_s, *arm.f1_interval()
        )
        for name, arm in arms
    )


def _save(job: Job, judged: Judged) -> str:
    decision = worth_saving(judged.comparison, forced=job.asked.force)
    if judged.program.instruction == job.program.instruction or not decision.save:
        # a prompt of an earlier run is not this run's result
        retire_prompt_file(job.folder / PROMPT)
    if judged.program.instruction == job.program.instruction:
        return "prompt: not saved, nothing better was found"
    if not decision.save:
        return f"prompt: not saved, it is not better beyond noise (--force saves it): {decision.why}"
    facts = job.facts
    made_from = ("training examples", "validation examples", "test examples", "task model")
    saved = SavedPrompt(
        program=judged.program,
        types=job.data.train.types,
        fingerprint={name: facts[name] for name in made_from},
        baseline=saved_score(judged.baseline),
        optimized=saved_score(judged.optimized),
        provenance={"figures": "measured", **facts},
    )
    write_prompt_file(job.folder / PROMPT, saved)
    return f"prompt: {job.folder / PROMPT}"


def _entry(job: Job, search: Search, judged: Judged, wall_s: float) -> Entry:
    train, validation, test = job.data.sizes
    task = job.choice.task
    weights = "exact" if task is None else task.quantization if isinstance(task, Remote) else task.precision
    return Entry(
        date=datetime.now(UTC).date().isoformat(),
        optimizer="dspy" if job.is_stock else "extract_entities",
        train=train,
        validation=validation,
        test=test,
        place=where_it_runs(job.choice)[0],
        weights=weights,
        compute="",
        hardware=job.row,
        seconds=wall_s,
        baseline=_logged(judged.baseline),
        optimized=_logged(judged.optimized),
        seed=job.settings.seed,
        metric_calls=search.metric_calls,
        fingerprint=dict(job.facts),
    )


def _logged(arm: Evaluation) -> LoggedScore:
    return LoggedScore(arm.f1, *arm.f1_interval())


def _log(path: Path, entry: Entry) -> None:
    append_run(path, entry)
    table = "\n".join(markdown_lines(log_table(read_run_log(path)))) + "\n"
    try:
        write_bytes(path.with_suffix(".md"), table.encode())
    except OSError as error:
        raise HarnessError(f"cannot be written: {error.strerror}", where=str(path)) from None


def _summary(search: Search, judged: Judged, tally: Tally, wall_s: float) -> list[str]:
    total = tally.total()
    scores = [each.scores for each in search.candidates if each.scores]
    lines = [
        f"held out    {explain_comparison(judged.comparison)}",
        f"validation  {explain_bias(winners_bias(scores))}",
        (
            f"calls       {total.calls:,} now, {total.earlier_calls:,} in earlier processes of this run, "
            f"{total.cache_hits:,} from the cache, {total.retries:,} retries, {total.failures:,} failures"
        ),
        (
            f"tokens      {total.prompt_tokens + total.earlier_prompt_tokens:,} in, "
            f"{total.completion_tokens + total.earlier_completion_tokens:,} out; "
            f"{total.usd + total.earlier_usd:.4f} USD at the prices given"
        ),
        (
            f"search      {search.metric_calls:,} metric calls, stopped by: {search.stopped}; "
            f"wall time {wall_s:.1f} s"
        ),
    ]
    if judged.check is not None:
        lines += [f"precision   {line}" for line in check_lines(judged.check)]
    if judged.transfers:
        lines.append(terminal_matrix(judged.transfers))
    return lines
