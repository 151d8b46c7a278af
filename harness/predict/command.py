"""`harness predict`: what the cost model says, how wrong it is, and how to fit it to hardware of your own."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.models.embedded import project_root


def add_options(parser: argparse.ArgumentParser, matrix: Path) -> None:
    """The subcommands; they read `matrix` unless another is named, where it does not exist the project's."""
    from harness.predict import calibrate, calibrated, serving, validate

    commands = parser.add_subparsers(required=True, metavar="WHAT")
    described = (
        ("serving", serving, "what an engine would do with a load on rows of the matrix"),
        ("validate", validate, "the cost model against measured step times in a CSV file"),
        ("calibrate", calibrate, "fit a step time to this machine, or to a server"),
        ("calibrated", calibrated, "a load on what was calibrated"),
    )
    there = matrix if matrix.is_file() else project_root() / matrix.name
    for name, module, text in described:
        command = commands.add_parser(name, help=text)
        module.add_options(command)
        command.add_argument(
            "--matrix", type=Path, default=there, metavar="FILE",
            help=f"hardware matrix [the nearest {matrix.name}, here or further up, else the project's]",
        )  # fmt: skip
        command.add_argument("--json", action="store_true", help="one JSON document instead of text")
        command.set_defaults(run=module.run)
