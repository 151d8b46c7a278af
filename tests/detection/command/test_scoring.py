"""What the command refuses between a model and a table of scores."""

import argparse

import numpy as np
import pytest

from harness.detection.command.scoring import items_of, require_judgeable
from harness.detection.sample import Sample, Scores
from harness.errors import HarnessError


def sample(name, label, group="g"):
    return Sample(name, group, "QA", (1, 2, 3, 4), 2, (0, 2), (label, False))


def test_a_score_that_is_no_number_is_named():
    made = [sample("good", True), sample("short prompt", False)]
    found = [Scores(np.ones((2, 1)), np.ones((2, 1))), Scores(np.full((2, 1), np.nan), np.ones((2, 1)))]
    for level in ("response", "chunk"):
        with pytest.raises(HarnessError, match="'short prompt' has a score that is no number; the official"):
            items_of(argparse.Namespace(level=level, scoring="official"), made, found)


def test_both_classes_and_a_source_for_each_fold_are_needed():
    both = [sample("a", True, "g1"), sample("b", False, "g2")]
    require_judgeable(both, 2)
    with pytest.raises(HarnessError, match="3 folds need as many sources, 2 are there"):
        require_judgeable(both, 3)
    with pytest.raises(HarnessError, match="all 1 responses are hallucinated"):
        require_judgeable(both[:1], 2)
