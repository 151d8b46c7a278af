"""`harness models batching`: tokens per second of every engine at 1 to 32 requests, in one run."""

from __future__ import annotations

import argparse
import fnmatch
import sys
from pathlib import Path

from harness.errors import EXIT_DONE, EXIT_INFRASTRUCTURE, EXIT_PARTLY_DONE, HarnessError
from harness.models import embedded
from harness.models.checkpoint import write_bytes

PROMPT_WORDS = 16


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `harness models batching`, and what runs it."""
    parser.add_argument(
        "model",
        nargs="?",
        default=embedded.DEFAULT,
        metavar="NAME|DIR",
        help="shipped model or folder [%(default)s]",
    )
    parser.add_argument(
        "--engines",
        nargs="+",
        metavar="PATTERN",
        help="only these, such as 'transformers*' 'llama_cpp F16*' [all]",
    )
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="5 or more [%(default)s]")
    parser.add_argument("--tokens", type=int, default=64, metavar="N", help="of each answer [%(default)s]")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of prompts and order [%(default)s]")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table as CSV too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write it as Markdown too")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure and print; 20 when an engine could not run (it is listed), 21 when none ran at all."""
    from harness.engines.batching_table import CONCURRENCIES, measure_batching
    from harness.engines.workloads import text_requests
    from harness.models.batching.engines import CONTEXT, contenders
    from harness.models.batching.report import csv_table, markdown_table, terminal_table

    if not 1 <= options.tokens <= CONTEXT // 2:
        raise HarnessError(f"is {options.tokens}", where="--tokens", allowed=f"1 to {CONTEXT // 2}")
    found = contenders(embedded.model_folder(options.model), max(CONCURRENCIES))
    chosen = [each for each in found if _wanted(each.name, options.engines)]
    if not chosen:
        names = ", ".join(each.name for each in found)
        raise HarnessError("no engine has such a name", where="--engines", allowed=names)
    table = measure_batching(
        chosen,
        lambda count, repeat: text_requests(
            count, PROMPT_WORDS, options.tokens, seed=(1000 * options.seed + repeat) * 1000 + count
        ),
        repeats=options.repeats,
        seed=options.seed,
        tell=lambda line: print(line, file=sys.stderr, flush=True),
    )
    sys.stdout.write(terminal_table(table))
    if options.csv:
        _write(options.csv, csv_table(table))
    if options.markdown:
        _write(options.markdown, markdown_table(table))
    if not table.rows:
        return EXIT_INFRASTRUCTURE
    return EXIT_PARTLY_DONE if table.missing else EXIT_DONE


def _wanted(name: str, patterns: list[str] | None) -> bool:
    return patterns is None or any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def _write(path: Path, text: str) -> None:
    try:
        write_bytes(path, text.encode())
    except OSError as error:
        raise HarnessError(f"cannot be written ({error.strerror})", where=str(path)) from None
