"""`harness corpus`: companies whose every field is known, as files with their truth, or read on the spot."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from harness.errors import EXIT_DONE, HarnessError
from harness.extraction.command.trial import add_options as add_trial_options
from harness.extraction.corpus import Knobs, certificate, companies, write_company


def add_options(parser: argparse.ArgumentParser, matrix: Path) -> None:
    """The options of `harness corpus`."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    generate = commands.add_parser("generate", help="write companies into a folder that has none")
    defaults = Knobs()
    generate.add_argument("root", type=Path, metavar="DIR")
    generate.add_argument("--count", type=int, default=2, metavar="N", help="companies [%(default)s]")
    generate.add_argument("--seed", type=int, default=1)
    generate.add_argument(
        "--family", choices=("tuning", "report", "gate"), default="report",
        help="of wordings; the gate's are for gates alone [%(default)s]",
    )  # fmt: skip
    generate.add_argument("--tokens", type=int, default=defaults.tokens, metavar="N", help="[%(default)s]")
    generate.add_argument("--facilities", type=int, metavar="N", help="[1 to 5, drawn]")
    generate.set_defaults(run=run)
    add_trial_options(commands.add_parser("trial", help="every pipeline on generated companies"), matrix)


def run(asked: argparse.Namespace) -> int:
    """Generate, check that each is solvable, write."""
    if asked.count < 1:
        raise HarnessError(f"--count is {asked.count}", allowed="1 and more")
    root: Path = asked.root
    if root.is_dir() and any(root.iterdir()):
        raise HarnessError("the folder is not empty", where=str(root), next_step="give a new one")
    knobs = replace(Knobs(), tokens=asked.tokens)
    if asked.facilities is not None:
        knobs = replace(knobs, facilities=asked.facilities)
    for truth in companies(asked.count, asked.seed, knobs, asked.family):
        certificate(truth)
        write_company(truth, root / truth.company.name)
        sys.stdout.write(
            f"{root / truth.company.name}: {len(truth.company.documents)} files, "
            f"{len(truth.company.text):,} characters, {len(truth.facilities)} facilities, "
            f"{len(truth.values)} values\n"
        )
    return EXIT_DONE
