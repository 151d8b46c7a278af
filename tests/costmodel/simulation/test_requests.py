from __future__ import annotations

import math

import numpy as np
import pytest

from harness.costmodel.simulation import requests_of
from harness.errors import HarnessError


def test_scalars_are_repeated():
    requests = requests_of([0.0, 1.5], 100, [3, 4])
    assert len(requests) == 2
    assert requests.prompt_tokens.tolist() == [100, 100]
    assert requests.prefix_group.tolist() == [-1, -1]
    assert requests.rows(np.array([1])).output_tokens.tolist() == [4]


def test_a_prefix_without_a_group_is_nobodys():
    requests = requests_of([0.0, 1.0], 10, 1, prefix_group=[-1, 2], prefix_tokens=8)
    assert requests.prefix_tokens.tolist() == [0, 8]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arrived_s": [0.0, math.nan, 2.0]}, "row 1 arrives at nan"),
        ({"arrived_s": [-0.5, 1.0, 2.0]}, "row 0 arrives at -0.5"),
        ({"arrived_s": [0.0, 1.0, math.inf]}, "row 2 arrives at inf"),
        ({"arrived_s": [0.0, 3.0, 2.0]}, "row 2 arrives before the row above it, at 2.0"),
        ({"prompt_tokens": [5, 0, 0]}, "row 1 has as prompt tokens 0.0, and 1 more rows"),
        ({"prompt_tokens": [5, math.nan, 5]}, "row 1 has as prompt tokens nan"),
        ({"prompt_tokens": [5, 2.5, 5]}, "row 1 has as prompt tokens 2.5"),
        ({"prompt_tokens": [5, 1e300, 5]}, "row 1 has as prompt tokens"),
        ({"output_tokens": [1, 1, -3]}, "row 2 has as output tokens -3"),
        ({"prefix_group": [0, -2, 0]}, "row 1 has as prefix group -2"),
        ({"prefix_tokens": [0, 0, 6]}, "row 2 has a prompt shorter than its shared prefix of 6"),
        ({"arrived_s": [], "prompt_tokens": 1, "output_tokens": 1}, "there is no request"),
        ({"prompt_tokens": [5, 5]}, "has columns of 2, 3 rows"),
        ({"prefix_group": [0, 0, 0, 0]}, "has columns of 3, 4 rows"),
    ],
)
def test_a_bad_row_is_named(change, message):
    columns = {"arrived_s": [0.0, 1.0, 2.0], "prompt_tokens": [5, 5, 5], "output_tokens": [1, 1, 1]} | change
    with pytest.raises(HarnessError, match=message) as raised:
        requests_of(**columns, where="load.csv")
    assert raised.value.where == "load.csv"
    assert raised.value.allowed
