"""`harness models quantize`: a checkpoint folder as GGUF in one of llama.cpp's precisions."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.engines.protocol import EngineFailure
from harness.errors import EXIT_DONE, EXIT_INFRASTRUCTURE, HarnessError
from harness.models import embedded


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `harness models quantize`, and what runs it."""
    parser.add_argument("model", metavar="NAME|DIR", help="a shipped model, or a checkpoint folder")
    parser.add_argument("--to", required=True, metavar="PRECISION", help="such as Q8_0, Q4_K_M or Q2_K")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file to write [kept in the cache]")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Quantize, and say what came out: bytes, and the type of every tensor."""
    from harness.models.gguf.file import read_gguf
    from harness.models.gguf.quantize import quantize

    folder = embedded.model_folder(options.model)
    try:
        path = quantize(folder, options.to.upper(), options.out)
    except EngineFailure as failure:
        raise HarnessError(str(failure), where=str(folder), exit_code=EXIT_INFRASTRUCTURE) from None
    found = read_gguf(path)
    types = ", ".join(f"{count} {name}" for name, count in found.types.items())
    sys.stdout.write(f"{path}  {found.size_bytes / 1e6:.2f} MB  ({types})\n")
    for fallback in found.fallbacks:
        sys.stdout.write(f"not {found.precision}: {fallback}\n")
    return EXIT_DONE
