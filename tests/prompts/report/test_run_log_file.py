"""The log on disk: only added to, readable after any cut, refused where a line is damaged."""

import multiprocessing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.prompts.report.run_log import DOCUMENTED, entry_line
from harness.prompts.report.run_log_file import append_run, read_run_log

FIRST, SECOND = DOCUMENTED, replace(DOCUMENTED, date="2025-11-26", provenance="measured")


def test_runs_are_read_in_the_order_they_were_added(tmp_path):
    path = tmp_path / "new" / "runs.jsonl"
    assert read_run_log(path) == []
    append_run(path, FIRST)
    before = path.read_bytes()
    append_run(path, SECOND)
    assert path.read_bytes().startswith(before)
    assert read_run_log(path) == [FIRST, SECOND]


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_log_cut_anywhere_keeps_its_whole_lines_and_goes_on(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("log") / "runs.jsonl"
    whole = entry_line(FIRST) + entry_line(SECOND)
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    # a line that only lacks its line break says everything
    kept = [
        entry for entry, end in ((FIRST, len(entry_line(FIRST)) - 1), (SECOND, len(whole) - 1)) if cut >= end
    ]
    assert read_run_log(path) == kept
    append_run(path, SECOND)
    assert read_run_log(path) == [*kept, SECOND]


def test_a_damaged_line_is_named_and_the_file_left_alone(tmp_path):
    path = tmp_path / "runs.jsonl"
    for line, what in (
        (b"{torn\n", "line 2 .*no JSON"),
        (b'{"format": 1}\n', "line 2 .*is missing"),
        (b"\xff\n", "no JSON"),
    ):
        content = entry_line(FIRST) + line + entry_line(SECOND)
        path.write_bytes(content)
        with pytest.raises(HarnessError, match=what):
            read_run_log(path)
        with pytest.raises(HarnessError, match=what):
            append_run(path, SECOND)
        assert path.read_bytes() == content


def test_a_last_line_that_is_json_but_no_entry_is_no_torn_one(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_bytes(entry_line(FIRST) + b'{"format": 1}')
    with pytest.raises(HarnessError, match="line 2"):
        append_run(path, SECOND)


def test_empty_lines_are_no_entries(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_bytes(b"\n" + entry_line(FIRST) + b"\n  \n")
    assert read_run_log(path) == [FIRST]


def test_a_log_that_can_not_be_written_says_so(tmp_path):
    with pytest.raises(HarnessError, match="cannot be written"):
        append_run(tmp_path, FIRST)
    with pytest.raises(HarnessError, match="cannot be read"):
        read_run_log(tmp_path)


def _append_often(path, number):
    for _ in range(20):
        append_run(path, replace(FIRST, train=number))


def test_processes_that_add_at_once_lose_nothing(tmp_path):
    path = tmp_path / "runs.jsonl"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_append_often, args=(path, number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert sorted(entry.train for entry in read_run_log(path)) == [0] * 20 + [1] * 20 + [2] * 20
