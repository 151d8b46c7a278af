"""`harness extract`: from a folder of companies to tables, review pages and a quality report."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from harness.calls.cache import ResponseCache
from harness.calls.journal import Journal
from harness.calls.tally import Tally
from harness.engines.protocol import Engine
from harness.errors import EXIT_DONE, EXIT_PARTLY_DONE, HarnessError
from harness.extraction.command import options as choices
from harness.extraction.command.inputs import Inputs, read_inputs
from harness.extraction.command.outputs import errors_of, write_results
from harness.extraction.command.planned import plan_lines
from harness.extraction.command.quality import check_golden, quality_lines
from harness.extraction.command.retrieving import retriever_of
from harness.extraction.documented.extract import extract as extract_documented
from harness.extraction.pipeline.extract import extract as extract_ours
from harness.extraction.reading.counts import ReaderCounts
from harness.extraction.reading.opening import NOISY, PERFECT, OpenReader, open_reader
from harness.extraction.reading.reader import ModelReader
from harness.extraction.result import CompanyResult
from harness.extraction.schema.fields import FIELDS

JOURNAL = "journal.jsonl"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    choices.add_options(parser)
    parser.set_defaults(run=run, goes_on="; --resume goes on and asks for nothing twice")


def run(asked: argparse.Namespace) -> int:
    """Read, extract, write; 20 where a file or an answer could not be read, which is listed."""
    if asked.stage == "report":
        sys.stdout.write("\n".join(quality_lines(asked)) + "\n")
        return EXIT_DONE
    _refuse_early(asked)
    inputs = read_inputs(asked)
    sys.stdout.write("".join(f"{line}\n" for line in inputs.reports))
    sys.stdout.flush()
    if not inputs.companies:
        raise HarnessError(
            "nothing could be read",
            where=str(asked.root),
            allowed="txt, md, pdf, docx, xlsx",
            next_step="put documents into the companies' folders",
        )
    if asked.stage == "preprocess":
        return EXIT_PARTLY_DONE if inputs.unread else EXIT_DONE
    choice = choices.choice_of(asked)
    if choice.name in (PERFECT, NOISY):
        choice = replace(choice, truths=tuple(inputs.truths.values()))
    with open_reader(choice, threads=asked.workers) as opening:
        if asked.plan_only:
            sys.stdout.write("\n".join(plan_lines(asked, inputs, opening.reader())) + "\n")
            return EXIT_DONE
        if asked.flash_attention:
            sys.stdout.write(f"flash attention: {_attention_of(opening.opened.engine)}\n")
        tally = Tally()
        with _reader(asked, inputs, opening, tally) as reader:
            results = _extract(asked, inputs, reader)
            notes, counts = reader.notes(), reader.counts
    sys.stdout.write(write_results(asked, inputs, results, reader, notes, tally))
    if asked.golden is not None:
        sys.stdout.write("\n".join(quality_lines(asked)) + "\n")
    return EXIT_PARTLY_DONE if inputs.unread or _is_partial(results, counts) else EXIT_DONE


def _is_partial(results: Sequence[CompanyResult], counts: ReaderCounts) -> bool:
    """Whether something was not looked for because no answer about it could be read, or no prompt fitted."""
    if counts.unreadable and any(not result.facilities for result in results):
        return True
    return counts.too_long > 0 or any(errors_of(result) for result in results)


def _attention_of(engine: Engine) -> str:
    """What came of --flash-attention: engines choose by what their hardware can run."""
    attention = getattr(engine, "attention", None)
    if attention is None:
        return f"{engine.name} has no such switch here, or its server has it"
    return f"{attention.name} runs ({attention.reason})"


def _refuse_early(asked: argparse.Namespace) -> None:
    """What would end the run only after everything was read and asked."""
    choices.settings_of(asked)
    choices.calibration_of(asked)
    if asked.golden is not None:
        check_golden(asked.golden)
    output: Path = asked.output
    path = next(each for each in (output, *output.parents) if each.exists())
    if not path.is_dir():
        raise HarnessError("is no folder", where=str(path), next_step="give another --output")


def _extract(asked: argparse.Namespace, inputs: Inputs, reader: ModelReader) -> list[CompanyResult]:
    if asked.pipeline == choices.OURS:
        table = choices.calibration_of(asked)
        return extract_ours(inputs.companies, reader, choices.our_settings(asked), calibration=table)
    settings = choices.documented_settings(asked)
    retrieve = retriever_of(asked, settings)
    return [
        extract_documented(company, reader, settings, retrieve=retrieve)
        for company in sorted(inputs.companies, key=lambda company: company.name)
    ]


@contextmanager
def _reader(
    asked: argparse.Namespace, inputs: Inputs, opening: OpenReader, tally: Tally
) -> Iterator[ModelReader]:
    """The reader with journal and cache: the journal is the checkpoint."""
    path: Path = asked.output / JOURNAL
    if path.is_file() and path.stat().st_size and not asked.resume:
        raise HarnessError(
            "a run is there already",
            where=str(path),
            next_step="--resume goes on with it and asks for nothing twice; another --output begins anew",
        )
    # answers of weights that nobody can tell apart are not kept for other runs
    keeps = not asked.no_cache and opening.opened.identity.knows_weights
    cache = ResponseCache(asked.cache or choices.CACHE) if keeps else None
    with _journal(path, _course(asked, inputs, opening)) as journal:
        yield opening.reader(cache=cache, journal=journal, tally=tally)


def _journal(path: Path, course: Mapping[str, str]) -> Journal:
    """The run's journal, whose errors name the option that its place follows from."""
    try:
        return Journal(path, course, "the same command with --resume goes on there")
    except HarnessError as error:
        raise HarnessError(
            error.what,
            where=error.where,
            allowed=error.allowed,
            next_step=error.next_step.replace("another path for the journal", "another --output"),
            exit_code=error.exit_code,
        ) from None


def _course(asked: argparse.Namespace, inputs: Inputs, opening: OpenReader) -> dict[str, str]:
    """What decides a run's course beside the answers, by name: a part for each thing that may be changed."""
    settings = choices.settings_of(asked)
    return {
        **opening.opened.identity.fingerprint("reader"),
        "format": opening.format.name,
        "pipeline": asked.pipeline,
        "embedder": asked.embedder,
        **{
            f"setting {name}": json.dumps(value, sort_keys=True, default=str)
            for name, value in asdict(settings).items()
        },
        **{f"company {each.name}": each.digest for each in inputs.companies},
        "schema": _digest([asdict(field) for field in FIELDS.values()]),
    }


def _digest(content: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
