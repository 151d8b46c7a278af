"""`harness detect`: score responses in one pass each, fit and judge a detector by sources, report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.detection.command import options as choices
from harness.detection.command.outputs import json_text, require_folder, write_files
from harness.detection.command.scoring import Ready, items_of, ready, require_judgeable, scored
from harness.detection.command.tree import RunsOf, tree
from harness.detection.detector.combine import Detector, Weights, fit, unit_scores
from harness.detection.detector.controls import Judged, control_scores, judge
from harness.detection.detector.curves import confusion
from harness.detection.detector.folds import HeldOut, cross_validate, grid_fit
from harness.detection.detector.items import Items
from harness.detection.report.dashboard import Shown
from harness.detection.report.page import Highlighted, Report, judged_table, lede, report_page
from harness.detection.sample import Sample, Scores
from harness.errors import EXIT_DONE, EXIT_PARTLY_DONE, HarnessError
from harness.render.escape import printable
from harness.render.sections import html_page, markdown_page
from harness.render.tables import terminal_lines

_SHOWN = 12


def add_options(
    parser: argparse.ArgumentParser,
    runs_of: RunsOf | None = None,
    matrix: Path = Path("hardware_matrix.toml"),
) -> None:
    """The options of the command; `runs_of` reads the runs of benchmarks that `--tree` is made of."""
    choices.add_options(parser)
    parser.set_defaults(run=run)
    if runs_of is not None:
        parser.add_argument(
            "--tree", nargs="+", metavar="RUN",
            help="nothing is scored: the decision tree of these benchmark runs (id, path or latest)",
        )  # fmt: skip
        read = runs_of
        parser.set_defaults(run=lambda asked: tree(asked, read, matrix) if asked.tree else run(asked))


def run(asked: argparse.Namespace) -> int:
    """Score, fit, judge, write."""
    choices.require_numbers(asked)
    weights, responses = choices.weights_of(asked), choices.responses_of(asked)
    prepared = ready(asked, responses)
    require_judgeable(prepared.samples, asked.folds)
    require_folder(asked.output)
    found = scored(asked, prepared)
    items = items_of(asked, prepared.samples, found)
    # a small model may have fewer than the paper's four layers
    weights = replace(
        weights,
        heads=min(weights.heads, items.external.shape[1]),
        layers=min(weights.layers, items.parametric.shape[1]),
    )

    def fitted(training: Items) -> Detector:
        return grid_fit(training, seed=asked.seed) if asked.tune else fit(training, weights)

    try:
        held_out = cross_validate(items, fitted, folds=asked.folds, seed=asked.seed)
    except ValueError as error:
        raise HarnessError(str(error), where="--folds", next_step="fewer folds, or more responses") from None
    report = _report(asked, prepared, found, items, held_out, weights)
    result = document(report, items, held_out, prepared)
    _write(asked.output, report, result)
    if asked.json:
        sys.stdout.write(json_text(result))
    else:
        lines = [lede(report), "", *terminal_lines(judged_table(report)), "", *map(printable, report.notes)]
        sys.stdout.write("\n".join([*lines, f"report: {asked.output / 'report.html'}"]) + "\n")
    return EXIT_PARTLY_DONE if prepared.left_out else EXIT_DONE


def _report(
    asked: argparse.Namespace,
    prepared: Ready,
    found: Sequence[Scores],
    items: Items,
    held_out: HeldOut,
    weights: Weights,
) -> Report:
    detector = judge("detector", held_out.scores, items, seed=asked.seed)
    controls = tuple(
        judge(name, each, items, seed=asked.seed) for name, each in control_scores(items).items()
    )
    counts = confusion(held_out.called.astype(float), items.labels, 0.5)
    figures = (("PCC", f"{detector.correlation:.3f}"), ("within tasks", f"{detector.within:.3f}"))
    shown = Shown(held_out.scores, items.labels, counts, detector.auc, figures)
    facts = {
        "figures": "measured",
        "model": f"{asked.model}{' in NF4' if asked.nf4 else ''} on {asked.device}",
        "responses": str(asked.responses or f"fixtures/detection/{asked.variant}"),
        "scores": asked.scoring,
        "unit": asked.level,
        "detector": "tuned by nested cross-validation" if asked.tune else str(weights),
        "folds": f"{asked.folds}, by source, seed {asked.seed}",
    }
    marked = _highlighted(prepared, found, held_out)
    notes = _notes(prepared, asked.level)
    return Report(f"Hallucinations of {asked.model}", detector, controls, shown, marked, facts, notes)


def _notes(prepared: Ready, level: str) -> tuple[str, ...]:
    """What a reader has to know: responses left out, contexts not found, what a chunk's score is."""
    lost = sum(each.context == (0, len(each.prompt)) for each in prepared.responses)
    told = [f"not scored: {line}" for line in prepared.left_out]
    if lost:
        told.append(
            f"in {lost:,} prompts the context does not stand as it is: the whole prompt is taken for it"
        )
    if level == "chunk":
        told.append("a chunk's external score is the mean of its tokens', not the paper's of embedded chunks")
    return tuple(told)


def _highlighted(prepared: Ready, found: Sequence[Scores], held_out: HeldOut) -> tuple[Highlighted, ...]:
    """The responses that the detector is surest of, from both ends, each token by its fold's detector."""
    order = np.argsort(-held_out.scores, kind="stable")
    chosen = [*order[: _SHOWN // 2], *order[-_SHOWN // 2 :]]
    shown = []
    for number in dict.fromkeys(int(each) for each in chosen):
        detector = held_out.detectors[held_out.fold[number]]
        tokens = _token_scores(prepared.samples[number], found[number], detector)
        encoded = prepared.encode(prepared.responses[number].text)
        shown.append(
            Highlighted(
                prepared.responses[number],
                float(held_out.scores[number]),
                bool(held_out.called[number]),
                encoded.spans,
                tuple(float(each) for each in tokens),
            )
        )
    return tuple(shown)


def _token_scores(sample: Sample, scores: Scores, detector: Detector) -> Any:
    """Each token's score by itself, from the detector's range in training to [0, 1]."""
    count = sample.response
    each_token = Items(
        scores.external.astype(float),
        scores.parametric.astype(float),
        np.zeros(count, dtype=np.int64),
        np.array(sample.labels, dtype=bool),
        np.array([sample.is_hallucinated]),
        np.array([sample.task]),
        np.array([sample.group]),
        np.array([float(count)]),
        np.ones(count),
    )
    raw = unit_scores(detector, each_token)
    weights = detector.weights
    return np.clip((raw + weights.alpha) / (weights.alpha + weights.m), 0.0, 1.0)


def document(report: Report, items: Items, held_out: HeldOut, prepared: Ready) -> dict[str, Any]:
    """Everything as JSON."""
    return {
        "facts": dict(report.facts),
        "notes": report.notes,
        "detector": _judged(report.detector),
        "controls": [_judged(each) for each in report.controls],
        "confusion": asdict(report.shown.confusion),
        "folds": [asdict(each) for each in held_out.detectors],
        "responses": [
            {
                "id": response.id,
                "score": round(float(score_), 6),
                "called": bool(called),
                "hallucinated": bool(label),
            }
            for response, score_, called, label in zip(
                prepared.responses, held_out.scores, held_out.called, items.labels, strict=True
            )
        ],
    }


def _judged(each: Judged) -> dict[str, Any]:
    return asdict(each)


def _write(folder: Path, report: Report, result: dict[str, Any]) -> None:
    page = report_page(report)
    files = {
        "report.html": html_page(page),
        "report.md": markdown_page(page),
        "result.json": json_text(result),
    }
    write_files(folder, files)
