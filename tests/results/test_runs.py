import json

import pytest
from result_builders import cell, document, machine_info, run_info, timed

from harness.errors import HarnessError
from harness.results.compare import merge_documents
from harness.results.documents import cells_of, json_text
from harness.results.runs import read_run, recover_document, resolve_run
from harness.results.store import create_run, save_cell, save_results

IDS = ["run-20261121T010203-ab12cd", "run-20261121T010203-ab99ff", "run-20261122T000000-000000"]


@pytest.fixture
def reports(tmp_path):
    for run_id in IDS:
        save_results(create_run(tmp_path, run_id), document(cell(timed()), id=run_id))
    (tmp_path / "baselines").mkdir()
    return tmp_path


def test_a_run_reads_back_as_it_was_written(reports):
    expected = document(cell(timed()), id=IDS[0])
    assert read_run(reports / IDS[0]) == expected
    assert read_run(reports / IDS[0] / "results.json") == expected


def test_a_killed_run_is_read_from_its_cells(tmp_path):
    run_dir = create_run(tmp_path, IDS[0], run_info(finished=None, exit_code=None), machine_info())
    save_cell(run_dir, cell(timed()))
    found = read_run(run_dir)
    assert found["run"]["finished"] is None
    assert cells_of(found) == [cell(timed())]
    assert found == recover_document(run_dir)


def test_a_run_without_header_says_what_to_do(tmp_path):
    with pytest.raises(HarnessError, match="delete its folder"):
        read_run(create_run(tmp_path, IDS[0]))


def test_a_damaged_header_is_named(tmp_path):
    run_dir = create_run(tmp_path, IDS[0], run_info(), machine_info())
    header = json.loads((run_dir / "run.json").read_text())
    (run_dir / "run.json").write_text(json.dumps({**header, "run": {}}))
    with pytest.raises(HarnessError, match=r"run\.json: \$\.run"):
        read_run(run_dir)


@pytest.mark.parametrize(
    "content", ["", '{"schema_version": 1, "run"', '{"schema_version": 7}', '{"schema_version": 1}']
)
def test_damaged_results_raise_one_error_naming_the_file(reports, content):
    path = reports / IDS[0] / "results.json"
    path.write_text(content)
    with pytest.raises(HarnessError) as caught:
        read_run(reports / IDS[0])
    assert str(path) in caught.value.message
    assert caught.value.next_step


def test_a_missing_run_raises(tmp_path):
    with pytest.raises(HarnessError, match="No such file"):
        read_run(tmp_path / "nowhere")


def test_several_runs_are_not_one(tmp_path):
    path = tmp_path / "merged.json"
    path.write_text(json_text(merge_documents([document(cell(timed()))])))
    with pytest.raises(HarnessError, match="one is needed"):
        read_run(path)


@pytest.mark.parametrize(
    ("name", "found"),
    [("latest", IDS[2]), (IDS[0], IDS[0]), ("run-20261121T010203-ab9", IDS[1]), ("run-20261122", IDS[2])],
)
def test_a_run_is_found_by_name(reports, name, found):
    assert resolve_run(reports, name) == reports / found


def test_a_run_is_found_by_path(reports, tmp_path):
    assert resolve_run(tmp_path / "elsewhere", str(reports / IDS[1])) == reports / IDS[1]
    file = reports / IDS[1] / "results.json"
    assert resolve_run(tmp_path / "elsewhere", str(file)) == file


def test_an_ambiguous_name_lists_the_candidates(reports):
    with pytest.raises(HarnessError, match="2 runs begin with") as caught:
        resolve_run(reports, "run-20261121")
    assert IDS[0] in caught.value.allowed
    assert IDS[1] in caught.value.allowed
    assert IDS[2] not in caught.value.allowed


@pytest.mark.parametrize("name", ["baselines", "nothing", ""])
def test_an_unknown_name_lists_the_newest(reports, name):
    with pytest.raises(HarnessError, match="no run called") as caught:
        resolve_run(reports, name)
    assert IDS[2] in caught.value.allowed


def test_latest_of_no_run_says_how_to_get_one(tmp_path):
    with pytest.raises(HarnessError, match="pytest benchmarks"):
        resolve_run(tmp_path, "latest")
