"""`harness models divergence`: what each precision costs against bf16, on held-out prompts."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from harness.errors import EXIT_DONE, EXIT_PARTLY_DONE, HarnessError
from harness.models import embedded
from harness.models.heldout.prompts import TASKS, Prompt, heldout
from harness.models.precisions.evaluate import Precision

PROMPTS = 600
SEED = 23


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `harness models divergence`, and what runs it."""
    parser.add_argument("name", choices=sorted(TASKS), help="the task, and the shipped model of that name")
    parser.add_argument("--model", metavar="DIR", help="another checkpoint for this task")
    parser.add_argument(
        "--prompts", type=int, default=PROMPTS, metavar="N", help=f"held-out prompts [{PROMPTS}]"
    )
    parser.add_argument("--precisions", default="", metavar="A,B", help="only these, beside bf16 [all]")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all columns there")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure, print the table; 20 when a precision could not be measured (its row says why)."""
    from harness.models.checkpoint import write_bytes
    from harness.models.gguf.quantize import cache_folder
    from harness.models.precisions import table
    from harness.models.precisions.engines import REFERENCE, opener
    from harness.models.precisions.evaluate import evaluate_precisions

    if options.prompts < 2:
        raise HarnessError(f"--prompts {options.prompts}", allowed="2 and above")
    if options.csv:
        _check_place(options.csv)
    results = evaluate_precisions(
        embedded.model_folder(options.model or options.name),
        options.name,
        mixed_prompts(options.name, options.prompts),
        _chosen(options.precisions),
        reference=REFERENCE,
        cache=cache_folder(os.environ),
        open_precision=opener(options.name),
        tell=lambda line: print(line, file=sys.stderr, flush=True),
    )
    ordered = table.ordered(results)
    text = (table.markdown_table if options.markdown else table.terminal_table)(ordered)
    sys.stdout.write(f"{text}\n")
    if options.csv:
        frame = table.divergence_frame(ordered)
        write_bytes(options.csv, frame.to_csv(index=False, lineterminator="\n").encode())
    return EXIT_PARTLY_DONE if any(result.error for result in results) else EXIT_DONE


def _check_place(csv: Path) -> None:
    folder = csv.absolute().parent
    if not folder.is_dir():
        raise HarnessError("there is no such folder", where=f"--csv {csv.parent}")
    if csv.is_dir() or not os.access(folder, os.W_OK):
        raise HarnessError("no file can be written there", where=f"--csv {csv}")


def mixed_prompts(task: str, count: int) -> list[Prompt]:
    """Half of them with held-out names and known wordings, half with held-out wordings too."""
    half = count // 2
    return heldout(task, "names", count - half, SEED) + heldout(task, "templates", half, SEED)


def _chosen(wanted: str) -> list[Precision]:
    """The reference, and what was asked for."""
    from harness.models.precisions.engines import PRECISIONS, REFERENCE

    known = {precision.name: precision for precision in PRECISIONS}
    names = [name.strip() for name in wanted.split(",") if name.strip()] or list(known)
    for name in names:
        if name not in known:
            raise HarnessError(f"no precision {name!r}", where="--precisions", allowed=", ".join(known))
    return [known[name] for name in dict.fromkeys((REFERENCE, *names))]
