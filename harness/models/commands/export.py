"""`harness models export`: a checkpoint folder as one GGUF file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.errors import EXIT_DONE
from harness.models import embedded


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `harness models export`, and what runs it."""
    parser.add_argument("model", metavar="NAME|DIR", help="a shipped model, or a checkpoint folder")
    parser.add_argument("--to", choices=("f32", "f16", "bf16"), default="f16", help="precision [f16]")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file to write [NAME-PRECISION.gguf]")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the file and say where it is."""
    from harness.models.checkpoint import read_checkpoint
    from harness.models.gguf.export import export_gguf

    folder = embedded.model_folder(options.model)
    out: Path = options.out or Path(f"{folder.resolve().name}-{options.to}.gguf")
    export_gguf(read_checkpoint(folder), out, options.to)
    sys.stdout.write(f"{out}  {out.stat().st_size / 1e6:.2f} MB\n")
    return EXIT_DONE
