"""`harness models`: train, export, quantize, verify and compare the embedded models, or a user's own."""

from __future__ import annotations

import argparse

from harness.models.commands import batching, divergence, export, quantize, train, verify

_COMMANDS = (
    ("train", train, "train a shipped model, resumably"),
    ("export", export, "write a checkpoint as GGUF"),
    ("quantize", quantize, "quantize a checkpoint with llama.cpp"),
    ("verify", verify, "hashes, parity with llama.cpp and held-out scores of shipped models"),
    ("divergence", divergence, "what each precision costs against bf16, on held-out prompts"),
    ("batching", batching, "tokens per second of every engine by the number of requests"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommands, each with what runs it."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    for name, module, text in _COMMANDS:
        module.add_options(commands.add_parser(name, help=text))
