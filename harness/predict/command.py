"""`harness predict`: what the cost model says, how wrong it is, and how to fit it to hardware of your own."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser, matrix: Path) -> None:
    """The subcommands; `matrix` is the hardware matrix that is read unless another is named."""
    from harness.predict import calibrate, serving, validate

    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    described = (
        ("serving", serving, "what an engine would do with a load on rows of the matrix"),
        ("validate", validate, "the cost model against measured step times in a CSV file"),
        ("calibrate", calibrate, "fit a step time to this machine, or to a server"),
    )
    for name, module, text in described:
        command = commands.add_parser(name, help=text)
        module.add_options(command)
        command.add_argument(
            "--matrix", type=Path, default=matrix, metavar="FILE",
            help="hardware matrix [the nearest hardware_matrix.toml, here or further up]",
        )  # fmt: skip
        command.add_argument("--json", action="store_true", help="print JSON instead of a table")
        command.set_defaults(run=module.run)
