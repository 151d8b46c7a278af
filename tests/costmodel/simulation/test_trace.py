from __future__ import annotations

import pytest

from harness.costmodel.simulation.trace import read_trace
from harness.errors import HarnessError


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "trace.csv"
        path.write_text(text)
        return path

    return write


def test_our_columns(written):
    requests = read_trace(
        written("arrived_s,prompt_tokens,output_tokens,prefix_group,prefix_tokens\n0,9,2,1,8\n1.5,7,1,-1,0\n")
    )
    assert requests.arrived_s.tolist() == [0.0, 1.5]
    assert requests.prefix_tokens.tolist() == [8, 0]


def test_the_columns_of_the_peer(written):
    requests = read_trace(written("arrived_at,num_prefill_tokens,num_decode_tokens\n0.5,597,85\n"))
    assert requests.prompt_tokens.tolist() == [597]
    assert requests.output_tokens.tolist() == [85]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("arrived_s,prompt_tokens\n0,1\n", "no column output_tokens"),
        ("arrived_s,prompt_tokens,output_tokens\n0,1,1\n0,many,1\n", "row 1 has as prompt_tokens many"),
        ("arrived_s,prompt_tokens,output_tokens\n0,1,1\n0,,1\n", "row 1 has as prompt_tokens nan"),
        ("arrived_s,prompt_tokens,output_tokens\n1,1,1\n0,1,1\n", "row 1 arrives before"),
        ("arrived_s,prompt_tokens,output_tokens\n", "there is no request"),
        ("", "cannot read the trace"),
        ("arrived_s,prompt_tokens,output_tokens\n0,1,1,9\n1,2,3,9\n", "cannot read the trace"),
        ("arrived_s,prompt_tokens,output_tokens\n0,1,1\n1,2,3,9\n", "cannot read the trace"),
    ],
)
def test_a_bad_file_is_named(written, text, message):
    path = written(text)
    with pytest.raises(HarnessError, match=message) as raised:
        read_trace(path)
    assert raised.value.where == str(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(HarnessError, match="cannot read the trace"):
        read_trace(tmp_path / "none.csv")
