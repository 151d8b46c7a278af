"""`harness models verify`: are the weights the ones of the manifest, and do they still score what it says?"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from harness.engines.protocol import EngineFailure
from harness.errors import EXIT_DONE, EXIT_INFEASIBLE, HarnessError
from harness.models import embedded
from harness.models.checkpoint import SavedModel, folder_hashes, read_checkpoint
from harness.models.heldout.evaluation import GOALS
from harness.models.heldout.prompts import TASKS, heldout
from harness.models.manifest import Manifest, deviations, read_manifest

PARITY_TEXTS, PARITY_PROMPTS = 1000, 200
MOST_TOP1_FLIPS = 0.001


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `harness models verify`, and what runs it."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="which models [all shipped]")
    parser.add_argument("--hashes-only", action="store_true", help="do not run the models")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check each model and print what was found; 3 when one does not hold what its manifest says.

    A model that cannot be read or run does not stop the others; its error is raised at the end.
    """
    sound, failed = True, None
    for name in options.names or _shipped():
        try:
            sound = _verify(name, options.hashes_only) and sound
        except (HarnessError, EngineFailure) as error:
            sys.stdout.write(f"{name}: {error}\n")
            failed = failed or error
    if failed is not None:
        raise failed
    return EXIT_DONE if sound else EXIT_INFEASIBLE


def _shipped() -> list[str]:
    """Every model of the project; raises HarnessError where there is none."""
    names = embedded.shipped_names()
    if not names:
        root = embedded.project_root() / embedded.FOLDER
        raise HarnessError("there is no model", where=str(root), next_step="git checkout -- fixtures/models")
    return names


def _verify(name: str, hashes_only: bool) -> bool:
    folder = embedded.model_folder(name)
    model = read_checkpoint(folder)
    manifest = read_manifest(folder)
    if manifest.name not in TASKS:
        raise HarnessError(
            f"the manifest names {manifest.name!r}", where=str(folder), allowed=", ".join(sorted(TASKS))
        )
    unlisted = sorted(folder_hashes(folder).keys() - manifest.files.keys())
    if unlisted:
        raise HarnessError(f"{unlisted[0]} is not in the manifest", where=str(folder))
    size = sum(path.stat().st_size for path in set(model.files.values()))
    sys.stdout.write(
        f"{manifest.name}: {len(manifest.files)} files as in the manifest; {size / 1e6:.2f} MB of weights, "
        f"seed {manifest.data_seed}, {manifest.steps} steps, commit {manifest.commit[:12]}\n"
    )
    if hashes_only:
        return True
    return all([_parity(manifest, model), _scores(manifest, folder)])


def _parity(manifest: Manifest, model: SavedModel) -> bool:
    """transformers against llama.cpp on the same weights as f16, and both tokenizers."""
    from harness.models.gguf.export import export_gguf
    from harness.models.heldout.parity import awkward_texts, parity

    asked = heldout(manifest.name, "templates", PARITY_PROMPTS, seed=11)
    texts = [p.prompt + p.answer for p in asked] + awkward_texts(PARITY_TEXTS - len(asked))
    with tempfile.TemporaryDirectory() as scratch:
        found = parity(
            model.folder, export_gguf(model, Path(scratch) / "f16.gguf", "f16"), texts, PARITY_PROMPTS
        )
    same = found.tokenizer_mismatches == 0 and 1 - found.top1_agreement <= MOST_TOP1_FLIPS
    sys.stdout.write(
        f"  {_state(same)}  llama.cpp f16: largest logit difference {found.max_abs_logit_difference:.3g}, "
        f"top-1 agreement {found.top1_agreement:.3%} of {found.tokens:,} tokens; "
        f"token ids differ in {found.tokenizer_mismatches} of {found.texts:,} texts\n"
    )
    return same


def _scores(manifest: Manifest, folder: Path) -> bool:
    from harness.models.heldout.scores import measured_scores

    measured = measured_scores(manifest.name, folder, manifest.prompts)
    off = deviations(manifest, measured)
    sound = True
    for score, value in measured.items():
        goal = GOALS[manifest.name].get(score)
        holds = score not in off and score in manifest.scores and (goal is None or goal.holds(value))
        recorded = manifest.scores.get(score)
        sys.stdout.write(
            f"  {_state(holds)}  {score:<32}{value:7.4f}   manifest "
            f"{'-' if recorded is None else f'{recorded:.4f}'}{f'   goal {goal}' if goal else ''}\n"
        )
        sound = sound and holds
    sys.stdout.write(f"  (held out, {manifest.prompts} prompts of each kind, greedy)\n")
    return sound


def _state(holds: bool) -> str:
    return "ok    " if holds else "FAILED"
