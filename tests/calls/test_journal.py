"""The journal as a file: resumed, guarded against another run and another process, whole on a full disk."""

import errno
import os
import subprocess
import sys

import pytest

from harness.calls.answer import Answer
from harness.calls.journal import Journal, read_journal
from harness.calls.journal_lines import Place, header_line
from harness.errors import EXIT_INFRASTRUCTURE, HarnessError

FINGERPRINT = {"instruction": "Extract.", "data": "d1", "task weights": "w1"}
ANSWER = Answer("a", 1, 2, "stop", "engine", 0.5)


def place(number, role="task"):
    return Place(role, f"key{number}", 0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "run.jsonl"


@pytest.fixture
def filled(path):
    """A journal with two answers and a note, closed."""
    with Journal(path, FINGERPRINT) as journal:
        journal.append(place(1), ANSWER)
        journal.note("candidate", score=0.5)
        journal.append(place(2, "reflection"), ANSWER)
    return path


def test_answers_are_taken_again(filled):
    with Journal(filled, FINGERPRINT) as journal:
        assert (journal.kept, journal.left(), journal.openings) == (2, 2, 2)
        assert journal.take(place(1)) == ANSWER
        assert journal.take(place(1, "reflection")) is None
        assert journal.take(Place("task", "key1", 1)) is None
        assert journal.left() == 1
        journal.append(place(3), ANSWER)
        assert (journal.kept, journal.left()) == (3, 1)
    assert len(read_journal(filled).answers) == 3


def test_notes_are_read_but_not_replayed(filled):
    notes = read_journal(filled).notes
    assert notes == [{"kind": "opened", "opening": 1}, {"kind": "candidate", "score": 0.5}]
    with Journal(filled, FINGERPRINT) as journal, pytest.raises(ValueError, match="journal's own"):
        journal.note("answer")


def test_occurrences_are_counted_by_role_and_key(path):
    with Journal(path, FINGERPRINT) as journal:
        counted = [journal.occurrence(*each) for each in [("task", "a"), ("task", "b"), ("task", "a")]]
        assert counted == [0, 0, 1]
        assert journal.occurrence("reflection", "a") == 0
    with Journal(path, FINGERPRINT) as journal:
        assert journal.occurrence("task", "a") == 0


def test_another_run_is_refused_by_the_name_of_what_changed(filled):
    before = filled.read_bytes()
    other = {"instruction": "Extract.", "data": "d2" * 90, "seed": "1"}
    with pytest.raises(HarnessError) as error:
        Journal(filled, other)
    assert "data was 'd1', is 'd2d2" in error.value.message
    assert "seed was not there, is '1'" in error.value.message
    assert "task weights was 'w1', is not there" in error.value.message
    assert "instruction" not in error.value.message
    assert "give another path" in error.value.message
    assert len(error.value.message) < 600
    assert filled.read_bytes() == before
    Journal(filled, FINGERPRINT).close()


def test_a_journal_of_another_format_is_refused(path):
    path.parent.mkdir()
    path.write_bytes(header_line(FINGERPRINT).replace(b'"format": 1', b'"format": 0'))
    with pytest.raises(HarnessError, match="format of the journal was '0', is '1'"):
        Journal(path, FINGERPRINT)


def test_a_torn_line_is_cut_off_before_the_next_is_written(filled):
    whole = filled.read_bytes()
    filled.write_bytes(whole + b'{"kind": "answer", "ro')
    with Journal(filled, FINGERPRINT) as journal:
        journal.append(place(3), ANSWER)
    assert filled.read_bytes().startswith(whole)
    assert len(read_journal(filled).answers) == 3


@pytest.mark.parametrize("size", [0, 1, 40])
def test_a_header_that_was_torn_is_written_again(path, size):
    path.parent.mkdir()
    path.write_bytes(header_line(FINGERPRINT)[:size])
    with Journal(path, FINGERPRINT) as journal:
        journal.append(place(1), ANSWER)
    assert len(read_journal(path).answers) == 1


@pytest.mark.parametrize("content", [b"my notes", b"my notes\nand more\n", b"{}\n", b"\n"])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(HarnessError, match="another path"):
        Journal(path, FINGERPRINT)
    assert path.read_bytes() == content


def test_a_corrupt_line_is_an_error_with_its_number(filled):
    lines = filled.read_bytes().splitlines(keepends=True)
    filled.write_bytes(b"".join([*lines[:2], b"garbage\n", *lines[2:]]))
    before = filled.read_bytes()
    with pytest.raises(HarnessError, match="line 3 is corrupt: no JSON; restore the file"):
        Journal(filled, FINGERPRINT)
    assert filled.read_bytes() == before


HOLDER = """
import sys
from pathlib import Path
from harness.calls.journal import Journal
with Journal(Path(sys.argv[1]), {"a": "1"}):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_two_processes_cannot_write_one_journal(path):
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(HarnessError, match="another process is writing this journal") as error:
            Journal(path, {"a": "1"})
        assert "wait until it is done" in error.value.message
        assert read_journal(path).fingerprint["a"] == "1"
        holder.kill()
        holder.wait()
        Journal(path, {"a": "1"}).close()


def test_the_same_process_cannot_open_it_twice(path):
    with Journal(path, FINGERPRINT), pytest.raises(HarnessError, match="another process"):
        Journal(path, FINGERPRINT)


def test_a_full_disk_leaves_whole_lines(filled, monkeypatch):
    whole = filled.read_bytes()
    write = os.write
    with Journal(filled, FINGERPRINT) as journal:
        opened = filled.read_bytes()
        room = [10]

        def write_some(file, content):
            if not room:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(file, bytes(content)[: room.pop()])

        with monkeypatch.context() as full:
            full.setattr(os, "write", write_some)
            with pytest.raises(HarnessError, match="No space left on device; make room") as error:
                journal.append(place(3), ANSWER)
        assert error.value.exit_code == EXIT_INFRASTRUCTURE
        assert filled.read_bytes() == opened
        assert journal.take(place(3)) is None
        journal.append(place(3), ANSWER)
    assert opened.startswith(whole)
    assert len(read_journal(filled).answers) == 3


def test_a_path_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "run.jsonl"):
        with pytest.raises(HarnessError, match="cannot be opened"):
            Journal(path, FINGERPRINT)
    with pytest.raises(HarnessError, match="cannot be read"):
        read_journal(tmp_path / "none")


def test_a_line_is_in_the_file_before_append_returns(path):
    with Journal(path, FINGERPRINT) as journal:
        journal.append(place(1), ANSWER)
        assert place(1) in read_journal(path).answers


def test_a_closed_journal_writes_into_no_other_file(path, tmp_path):
    journal = Journal(path, FINGERPRINT)
    journal.close()
    journal.close()
    with (tmp_path / "other").open("wb"):
        for write in (lambda: journal.append(place(1), ANSWER), lambda: journal.note("n"), journal.sync):
            with pytest.raises(ValueError, match="is closed"):
                write()
    assert (tmp_path / "other").read_bytes() == b""
