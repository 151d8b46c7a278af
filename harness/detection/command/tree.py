"""`harness detect --tree`: the decision tree that benchmark runs give, beside the guide's."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.detection.command.outputs import json_text, write_files
from harness.detection.report.tree_derived import derive
from harness.detection.report.tree_leaves import Leaf, Tree
from harness.detection.report.tree_page import decision, derived_lines, tree_page
from harness.errors import EXIT_DONE
from harness.hardware.matrix import load_matrix
from harness.measure.outcome import Cell
from harness.render.sections import html_page, markdown_page, printable_line

RunsOf = Callable[[Sequence[str]], Sequence[tuple[str, Sequence[Cell]]]]
"""Names of runs to (id, cells) of each, oldest first; HarnessError for a run that cannot be read."""


def tree(asked: argparse.Namespace, runs_of: RunsOf, matrix: Path) -> int:
    """Derive the tree of the runs asked for, write and print it."""
    found = derive(runs_of(asked.tree), load_matrix(matrix).rows)
    page = tree_page(found)
    result = json_text(document(found))
    write_files(
        asked.output, {"tree.html": html_page(page), "tree.md": markdown_page(page), "tree.json": result}
    )
    if asked.json:
        sys.stdout.write(result)
    else:
        lines = [page.lede, "", *map(printable_line, derived_lines(found)), ""]
        sys.stdout.write("\n".join([*lines, f"tree: {asked.output / 'tree.html'}"]) + "\n")
    return EXIT_DONE


def document(found: Tree) -> dict[str, Any]:
    """The tree as plain data."""
    return {"runs": found.runs, "leaves": [_leaf(leaf) for leaf in found.leaves]}


def _leaf(leaf: Leaf) -> dict[str, Any]:
    return {
        "problem": leaf.problem,
        "lengths": leaf.band.text,
        "memory": leaf.budget.text,
        "decision": decision(leaf),
        "guide": [step.quote for step in leaf.guide],
        "excluded": {technique.text: pair.reason for technique, pair in leaf.excluded},
        "not_run": [each.text for each in leaf.not_run],
        "options": [
            {
                "technique": option.technique.text,
                "setting": option.setting,
                "quantity": option.quantity,
                "provenance": option.provenance,
                "state": option.state,
                "cells": [each.cell.nodeid for each in option.evidence],
            }
            for option in leaf.options
        ],
    }
