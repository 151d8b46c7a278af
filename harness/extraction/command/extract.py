"""`harness extract`: from a folder of companies to tables, review pages and a quality report."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from harness.calls.cache import ResponseCache
from harness.calls.journal import Journal
from harness.calls.tally import Tally
from harness.errors import EXIT_DONE, EXIT_PARTLY_DONE, HarnessError
from harness.extraction.command import options as choices
from harness.extraction.command.inputs import Inputs, read_inputs
from harness.extraction.command.outputs import write_results
from harness.extraction.command.planned import plan_lines
from harness.extraction.command.quality import quality_lines
from harness.extraction.command.retrieving import retriever_of
from harness.extraction.documented.extract import extract as extract_documented
from harness.extraction.pipeline.extract import extract as extract_ours
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
    """Read, extract, write; 20 where a file could not be read, which is listed."""
    if asked.stage == "report":
        sys.stdout.write("\n".join(quality_lines(asked)) + "\n")
        return EXIT_DONE
    inputs = read_inputs(asked)
    sys.stdout.write("".join(f"{line}\n" for line in inputs.reports))
    sys.stdout.flush()
    if asked.stage == "preprocess":
        return EXIT_PARTLY_DONE if inputs.unread else EXIT_DONE
    choice = choices.choice_of(asked)
    if choice.name in (PERFECT, NOISY):
        choice = replace(choice, truths=tuple(inputs.truths.values()))
    with open_reader(choice, threads=asked.workers) as opening:
        if asked.plan_only:
            sys.stdout.write("\n".join(plan_lines(asked, inputs, opening.reader())) + "\n")
            return EXIT_DONE
        tally = Tally()
        with _reader(asked, inputs, opening, tally) as reader:
            results = _extract(asked, inputs, reader)
            notes = reader.notes()
    sys.stdout.write(write_results(asked, inputs, results, reader, notes, tally))
    if asked.golden is not None:
        sys.stdout.write("\n".join(quality_lines(asked)) + "\n")
    return EXIT_PARTLY_DONE if inputs.unread else EXIT_DONE


def _extract(asked: argparse.Namespace, inputs: Inputs, reader: ModelReader) -> list[CompanyResult]:
    if asked.pipeline == choices.OURS:
        return extract_ours(inputs.companies, reader, choices.our_settings(asked))
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
    with Journal(path, _course(asked, inputs, opening)) as journal:
        yield opening.reader(cache=cache, journal=journal, tally=tally)


def _course(asked: argparse.Namespace, inputs: Inputs, opening: OpenReader) -> dict[str, str]:
    """What decides a run's course beside the answers, by name."""
    ours = asked.pipeline == choices.OURS
    settings = choices.our_settings(asked) if ours else choices.documented_settings(asked)
    return {
        **opening.opened.identity.fingerprint("reader"),
        "format": opening.format.name,
        "pipeline": asked.pipeline,
        "settings": json.dumps(asdict(settings), sort_keys=True, default=str),
        "companies": _digest([[each.name, each.digest] for each in inputs.companies]),
        "schema": _digest([asdict(field) for field in FIELDS.values()]),
    }


def _digest(content: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
