import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_builders import bounded, cell, cells, document, machine_info, run_info, timed, with_samples

from harness.errors import HarnessError
from harness.results.store import (
    SAMPLE_COLUMNS,
    cell_path,
    create_run,
    load_cells,
    new_run_id,
    save_cell,
    save_results,
    save_samples,
    write_atomically,
)

RUN = "run-20261121T010203-ab12cd"


def test_ids_sort_by_time_and_differ_by_entropy():
    early = new_run_id(datetime(2026, 11, 21, 1, 2, 3, tzinfo=UTC), b"a")
    late = new_run_id(datetime(2026, 11, 21, 1, 2, 4, tzinfo=UTC), b"a")
    assert early.startswith("run-20261121T010203-")
    assert early < late
    assert early != new_run_id(datetime(2026, 11, 21, 1, 2, 3, tzinfo=UTC), b"b")


def test_a_run_is_never_overwritten(tmp_path):
    create_run(tmp_path, RUN)
    with pytest.raises(HarnessError, match="never overwritten") as caught:
        create_run(tmp_path, RUN)
    assert f"--resume {RUN}" in caught.value.next_step


def test_a_report_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    for name in ("file", "file/below", "nowhere"):
        with pytest.raises(HarnessError, match="cannot be written") as caught:
            create_run(tmp_path / name, RUN, run_info(RUN), machine_info())
        assert caught.value.where == str(tmp_path / name)
        assert "--report-dir" in caught.value.next_step


def test_a_report_folder_without_permission_is_named(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(HarnessError, match="Permission denied") as caught:
        create_run(tmp_path, RUN, run_info(RUN), machine_info())
    assert caught.value.where == str(tmp_path)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "with space"])
def test_an_id_that_is_no_folder_name_is_refused(tmp_path, name):
    with pytest.raises(HarnessError, match="no run id"):
        create_run(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


@given(many=st.lists(cells, max_size=3, unique_by=lambda one: one.nodeid))
def test_saved_cells_come_back_whole_and_in_order(tmp_path_factory, many):
    run_dir = create_run(tmp_path_factory.mktemp("reports"), RUN)
    for one in many:
        save_cell(run_dir, one)
    found = load_cells(run_dir)
    assert found == {one.nodeid: one for one in many}
    assert list(found) == sorted(found)


def test_a_later_result_of_a_cell_replaces_the_earlier(tmp_path):
    run_dir = create_run(tmp_path, RUN)
    save_cell(run_dir, cell(timed(0.5)))
    save_cell(run_dir, cell(timed(0.6)))
    (found,) = load_cells(run_dir).values()
    assert found == cell(timed(0.6))


def test_a_file_still_being_written_is_no_result(tmp_path):
    run_dir = create_run(tmp_path, RUN)
    save_cell(run_dir, cell(timed()))
    (run_dir / "cells" / ".0123456789abcdef.json.x1y2.tmp").write_text('{"schema_version": 1, "ce')
    assert len(load_cells(run_dir)) == 1


def test_while_a_cell_is_written_the_earlier_ones_stay_readable(tmp_path, monkeypatch):
    run_dir = create_run(tmp_path, RUN)
    save_cell(run_dir, cell(timed(0.5)))
    seen = []

    def look(_):
        seen.append((len(list((run_dir / "cells").glob("*.json"))), list(load_cells(run_dir).values())))

    monkeypatch.setattr(os, "fsync", look)
    save_cell(run_dir, cell(timed(0.6)))
    # synced twice: the new file before it is moved into place, its folder after
    assert seen == [(1, [cell(timed(0.5))]), (1, [cell(timed(0.6))])]


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"schema_version": 1, "ce',
        "[]",
        '{"schema_version": 2}',
        '{"schema_version": 1, "cell": {}, "sample_fields": [], "samples": []}',
    ],
)
def test_a_damaged_cell_is_named(tmp_path, content):
    run_dir = create_run(tmp_path, RUN)
    path = save_cell(run_dir, cell(timed()))
    path.write_text(content)
    with pytest.raises(HarnessError) as caught:
        load_cells(run_dir)
    assert str(path) in caught.value.message


def test_malformed_samples_are_named(tmp_path):
    run_dir = create_run(tmp_path, RUN)
    path = save_cell(run_dir, cell(timed()))
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "samples": [["latency", "baseline", 0]]}))
    with pytest.raises(HarnessError, match="malformed samples") as caught:
        load_cells(run_dir)
    assert "--resume" in caught.value.next_step


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_atomically(path, "old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]


WRITER = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
from result_builders import cell, timed, with_samples
from harness.results.store import save_cell
size = 0
while True:
    size = size % 40 + 1
    one = cell(timed(), nodeid=f"t.py::t{{size % 3}}")
    save_cell(Path({run_dir!r}), with_samples(one, rounds=100 * size))
    print(size, flush=True)
"""


@pytest.mark.parametrize("delay_s", [0.0, 0.003, 0.011])
def test_a_writer_killed_at_any_moment_leaves_whole_cells(tmp_path, delay_s):
    run_dir = create_run(tmp_path, RUN, run_info(), machine_info())
    here = Path(__file__).parent
    program = WRITER.format(paths=[str(here), str(here.parents[1])], run_dir=str(run_dir))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as writer:
        written = [int(writer.stdout.readline()) for _ in range(4)]
        time.sleep(delay_s)
        os.kill(writer.pid, signal.SIGKILL)
    assert writer.returncode == -signal.SIGKILL
    found = load_cells(run_dir)
    assert set(found) == {"t.py::t0", "t.py::t1", "t.py::t2"}
    # each holds one complete result of the writer: a multiple of 100 rounds of three arms
    assert written == [1, 2, 3, 4]
    assert all(len(one.samples) > 0 and len(one.samples) % 300 == 0 for one in found.values())


def test_results_are_validated_before_they_are_written(tmp_path):
    run_dir = create_run(tmp_path, RUN)
    wrong = {**document(cell(timed())), "note": "?"}
    with pytest.raises(HarnessError, match="note"):
        save_results(run_dir, wrong)
    assert not (run_dir / "results.json").exists()


def test_samples_become_one_tidy_table(tmp_path):
    run_dir = create_run(tmp_path, RUN)
    one = with_samples(cell(timed(), bounded()), rounds=5)
    table = pd.read_parquet(save_samples(run_dir, [one]))
    assert tuple(table.columns) == SAMPLE_COLUMNS
    assert len(table) == len(one.samples) == 15
    assert table["value"].tolist() == [sample.value for sample in one.samples]
    assert set(table["params"]) == {'{"size": 4}'}
    assert set(table["provenance"]) == {"measured"}
    assert set(table["unit"]) == {"s"}


def test_same_samples_same_bytes_whatever_the_order_of_cells(tmp_path):
    many = [with_samples(cell(timed(), nodeid=f"t.py::t{index}")) for index in range(3)]
    first = save_samples(create_run(tmp_path / "a", RUN), many).read_bytes()
    again = save_samples(create_run(tmp_path / "b", RUN), reversed(many)).read_bytes()
    assert first == again


def test_a_run_without_samples_has_an_empty_table(tmp_path):
    table = pd.read_parquet(save_samples(create_run(tmp_path, RUN), []))
    assert tuple(table.columns) == SAMPLE_COLUMNS
    assert len(table) == 0


def test_cells_are_filed_by_the_hash_of_their_nodeid(tmp_path):
    # sha256("abc") is a published test vector (FIPS 180-4)
    assert cell_path(tmp_path, "abc").name == "ba7816bf8f01cfea.json"
