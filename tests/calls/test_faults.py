"""A server that misbehaves on schedule: what the user sees, and that no answer is lost or paid for twice."""

import re

import pytest
from call_faults import CASES, observe, table


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_fault_costs_no_answer(case, tmp_path):
    row = observe(case, tmp_path)
    assert (row.repeated, row.lost, row.left) == (0, 0, 0)
    assert row.same_result
    assert row.disagreements == ()
    if not case.says:
        assert row.saw == ""
        return
    assert case.says in row.saw
    assert "SERVER" in row.saw
    if not case.dead_at_first:
        assert row.saw.endswith("in JOURNAL; the same command goes on there and asks for none of them again")


def test_the_table_has_a_row_for_each_fault(tmp_path):
    case = next(case for case in CASES if case.name == "HTTP 401")
    lines = table([observe(case, tmp_path)]).splitlines()
    assert len(lines) == 3
    assert re.fullmatch(r"\| HTTP 401 \| .*answers 401: no such key.* \| 0 \| 0 \| 0 \|", lines[2])
