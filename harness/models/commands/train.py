"""`harness models train`: from a recipe to a folder of weights with its manifest."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from harness.errors import EXIT_DONE, HarnessError
from harness.models import embedded
from harness.models.recipes import RECIPES
from harness.models.training.trainer import Progress, Trainer

PROMPTS = 500


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `harness models train`, and what runs it."""
    parser.add_argument("name", choices=sorted(RECIPES), help="which model")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for the weights [the embedded model's]"
    )
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="folder of the resumable state [build/models/training/NAME]"
    )
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="CPU threads [2]")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, write, measure held-out scores, write the manifest. Interrupted, it goes on from its state."""
    from harness.models.checkpoint import MANIFEST, save_checkpoint
    from harness.models.heldout.scores import measured_scores
    from harness.models.manifest import commit_of, manifest_of, write_manifest
    from harness.models.tokenizer import CHAT_TEMPLATE

    _check_machine(options)
    recipe, commit = RECIPES[options.name], commit_of(Path(__file__).parents[1])
    root = embedded.project_root()
    work: Path = options.work or root / "build" / "models" / "training" / recipe.name
    out: Path = options.out or embedded.folder_of(recipe.name, root)
    trainer = Trainer(recipe, work, options.threads, options.device)
    sys.stdout.write(f"{recipe.name}: step {trainer.step} of {recipe.steps}; state in {work}\n")
    trainer.run(_report)
    # The manifest of other weights would refuse these.
    (out / MANIFEST).unlink(missing_ok=True)
    save_checkpoint(trainer.model.cpu(), trainer.tokenizer, CHAT_TEMPLATE, out)
    scores = measured_scores(recipe.name, out, PROMPTS)
    write_manifest(manifest_of(recipe, out, options.threads, commit, PROMPTS, scores), out)
    sys.stdout.write(f"weights and manifest: {out}\n")
    return EXIT_DONE


def _check_machine(options: argparse.Namespace) -> None:
    if options.threads < 1:
        raise HarnessError(f"--threads {options.threads}", allowed="1 and above")
    if find_spec("torch") is None or find_spec("transformers") is None:
        raise HarnessError("torch or transformers is not installed", next_step="make install EXTRA=models")
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        raise HarnessError("--device cuda: torch finds no CUDA device here", allowed="cpu")


def _report(progress: Progress) -> None:
    sys.stdout.write(
        f"{progress.step}/{progress.steps}  loss {progress.loss:.4f}  tags {progress.tag_loss:.3f}  "
        f"{progress.tokens_per_s:,.0f} tokens/s\n"
    )
    sys.stdout.flush()
