"""`harness models`: train, export, quantize, verify and compare the embedded models, or a user's own."""

from __future__ import annotations

import argparse

from harness.models import (
    batching_command,
    divergence_command,
    export_command,
    quantize_command,
    train_command,
    verify_command,
)

_COMMANDS = (
    ("train", train_command, "train a shipped model, resumably"),
    ("export", export_command, "write a checkpoint as GGUF"),
    ("quantize", quantize_command, "quantize a checkpoint with llama.cpp"),
    ("verify", verify_command, "hashes, parity with llama.cpp and held-out scores of shipped models"),
    ("divergence", divergence_command, "what each precision costs against bf16, on held-out prompts"),
    ("batching", batching_command, "tokens per second of every engine by the number of requests"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The subcommands, each with what runs it."""
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    for name, module, text in _COMMANDS:
        module.add_options(commands.add_parser(name, help=text))
