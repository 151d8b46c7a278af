"""The options of `harness detect`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from harness.detection.capture.loading import FLOAT32_ON_CPU, Loading
from harness.detection.data.ragtruth import read_ragtruth
from harness.detection.data.responses import Response
from harness.detection.data.shipped import MODEL, shipped
from harness.detection.data.synthetic import Variant
from harness.detection.detector.combine import Weights
from harness.detection.scores.options import OFFICIAL, PAPER, Scoring
from harness.errors import HarnessError

SCORINGS = {"paper": PAPER, "official": OFFICIAL}
_SEEDS = 2**32
LEVELS = ("response", "chunk")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Everything; `run` is set by the command."""
    group = parser.add_argument_group("responses", "the committed sample, or RAGTruth's two files")
    group.add_argument(
        "--set", choices=get_args(Variant), default="balanced", dest="variant",
        help="of the committed sample [%(default)s]",
    )  # fmt: skip
    group.add_argument("--responses", type=Path, metavar="FILE", help="RAGTruth's response.jsonl")
    group.add_argument("--sources", type=Path, metavar="FILE", help="RAGTruth's source_info.jsonl")
    group.add_argument("--of-model", metavar="NAME", help="only responses of this model")
    group.add_argument("--split", choices=("train", "test"), help="only responses of this split")
    group = parser.add_argument_group("model", "whose inside is looked at")
    group.add_argument("--model", default=MODEL, metavar="MODEL", help="shipped or a folder [%(default)s]")
    group.add_argument("--device", default=FLOAT32_ON_CPU.device, help="cpu or cuda [%(default)s]")
    group.add_argument("--nf4", action="store_true", help="4-bit weights by bitsandbytes, on a GPU")
    group.add_argument("--system", metavar="TEXT", help="system message [what the model was trained with]")
    group = parser.add_argument_group("scores")
    group.add_argument("--scoring", choices=SCORINGS, default="paper", help="[%(default)s]")
    group.add_argument("--level", choices=LEVELS, default="response", help="unit of a score [%(default)s]")
    group = parser.add_argument_group("detector", "always judged on sources that it was not fitted on")
    group.add_argument("--tune", action="store_true", help="the guide's grid, by nested cross-validation")
    for name, kind in (("heads", int), ("layers", int), ("alpha", float), ("m", float)):
        value = getattr(Weights(), name)
        group.add_argument(f"--{name}", type=kind, default=value, metavar="N", help="[%(default)s]")
    group.add_argument("--folds", type=int, default=5, metavar="N", help="[%(default)s]")
    group.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("reports/detection"), metavar="DIR")
    parser.add_argument("--json", action="store_true", help="the result as one JSON document on stdout")


def responses_of(options: argparse.Namespace) -> tuple[Response, ...]:
    """The responses to judge; raises HarnessError when none is left."""
    if (options.responses is None) != (options.sources is None):
        raise HarnessError("one file is missing", allowed="--responses and --sources together, or neither")
    if options.responses is None:
        found = shipped(options.variant)
    else:
        found = read_ragtruth(options.responses, options.sources)
    kept = tuple(
        each
        for each in found
        if options.of_model in (None, each.model) and options.split in (None, each.split)
    )
    if not kept:
        models = ", ".join(sorted({each.model for each in found}))
        raise HarnessError("no response is left", where="--of-model and --split", allowed=models)
    return kept


def require_numbers(options: argparse.Namespace) -> None:
    """HarnessError for folds or a seed that nothing can be done with."""
    if options.folds < 2:
        raise HarnessError(
            f"{options.folds} folds",
            where="--folds",
            allowed="2 or more: one is judged, the others fitted on",
        )
    if not 0 <= options.seed < _SEEDS:
        raise HarnessError(f"the seed {options.seed}", where="--seed", allowed=f"0 to {_SEEDS - 1}")


def weights_of(options: argparse.Namespace) -> Weights:
    """How many heads and layers, and how they are weighted."""
    try:
        return Weights(options.heads, options.layers, options.alpha, options.m)
    except ValueError as error:
        raise HarnessError(str(error), where="--heads, --layers, --alpha and --m") from None


def loading_of(options: argparse.Namespace) -> Loading:
    """How the model is loaded."""
    return Loading(device=options.device, nf4=options.nf4)


def scoring_of(options: argparse.Namespace) -> Scoring:
    """The variant of the scores."""
    return SCORINGS[options.scoring]
