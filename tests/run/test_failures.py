"""Benchmarks that fail or are skipped are cells with a reason, and what was not looked at did not vanish."""

import pytest


@pytest.fixture(scope="module")
def trouble(make_long_lived):
    return make_long_lived("trouble").bench()


def test_an_arm_that_raises_leaves_a_cell_with_the_reason(trouble):
    cell = trouble.cell("test_raises")
    assert (cell["state"], cell["findings"]) == ("not run", [])
    assert cell["reason"] == "failed: ValueError: the input is bad"


def test_a_benchmark_skipped_by_its_author_is_a_cell_with_the_reason(trouble):
    cell = trouble.cell("test_skips")
    assert (cell["state"], cell["reason"]) == ("not run", "skipped: needs a licence")


def test_the_failure_decides_the_exit_code_and_the_rest_is_still_measured(trouble):
    assert trouble.code == 1, trouble.out
    assert trouble.document["run"]["exit_code"] == 1
    assert trouble.cell("test_fine")["state"] == "measured"
    assert "1 failed: exit code 1 stands before anything the gate says" in trouble.out.splitlines()


def test_a_benchmark_only_skipped_does_not_fail_the_run(make_project):
    done = make_project("trouble").bench("-k", "skips or fine")
    assert done.code == 0, done.out
    assert "exit code 1 stands" not in done.out


def test_last_failed_calls_nothing_vanished(recorded):
    with_cache = (recorded.root / "pytest.ini").read_text().replace("-p no:cacheprovider", "")
    (recorded.root / "pytest.ini").write_text(with_cache)
    assert recorded.bench(TOY_FAIL="1").code == 1
    again = recorded.bench("--lf", budget=1.6)
    assert [cell["optimization"] for cell in again.document["cells"]] == ["loop"]
    assert again.document["vanished"] == []
    assert again.code == 0, again.out


def test_an_ignored_file_did_not_vanish(recorded):
    done = recorded.bench("--ignore=benchmarks/test_loop.py")
    assert [cell["optimization"] for cell in done.document["cells"]] == ["loss"]
    assert done.document["vanished"] == []
    assert done.code == 0, done.out


def test_a_module_that_skips_itself_did_not_vanish(recorded):
    file = recorded.root / "benchmarks" / "test_loop.py"
    skip = 'import pytest\n\npytest.importorskip("nothing_of_that_name")\n'
    file.write_text(skip + file.read_text())
    done = recorded.bench()
    assert [cell["optimization"] for cell in done.document["cells"]] == ["loss"]
    assert done.document["vanished"] == []
    assert done.code == 0, done.out
