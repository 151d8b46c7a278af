"""Where numbers come from: hashes that change exactly when the benchmark or its workload does."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.provenance import benchmark_hash, commit, workload_hash

SOURCE = "import math\n\n\ndef test(ab):\n    ab.run()\n"


@pytest.mark.parametrize(
    "same",
    [
        "# why\n" + SOURCE,
        SOURCE.replace("\n\n\n", "\n"),
        SOURCE.replace("ab.run()", "ab.run()   "),
        SOURCE.replace("    ab", "    # an indented remark\n    ab"),
        SOURCE.replace("\n", "\r\n"),
    ],
    ids=["comment", "blank lines", "trailing blanks", "indented comment", "line ends"],
)
def test_what_does_not_run_does_not_enter_the_benchmark_hash(same):
    assert benchmark_hash(same) == benchmark_hash(SOURCE)


@pytest.mark.parametrize(
    "other", [SOURCE + "x = 1\n", SOURCE.replace("    ab", "        ab"), SOURCE.replace("math", "cmath")]
)
def test_everything_else_does(other):
    assert benchmark_hash(other) != benchmark_hash(SOURCE)


@pytest.fixture
def inputs(tmp_path):
    folder = tmp_path / "inputs"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.csv").write_text("1,2\n")
    (folder / "deep" / "b.csv").write_text("3\n")
    return folder


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a.csv").write_text("1,3\n"),
        lambda folder: (folder / "a.csv").rename(folder / "c.csv"),
        lambda folder: (folder / "deep" / "b.csv").unlink(),
        lambda folder: (folder / "new.csv").touch(),
    ],
    ids=["edited", "renamed", "removed", "added"],
)
def test_any_change_of_an_input_folder_enters_the_workload_hash(inputs, change):
    before = workload_hash([("inputs", inputs)], {})
    assert workload_hash([("inputs", inputs)], {}) == before
    change(inputs)
    assert workload_hash([("inputs", inputs)], {}) != before


def test_the_place_of_the_project_does_not_matter_but_the_declared_name_does(inputs, tmp_path):
    moved = inputs.rename(tmp_path / "elsewhere")
    name = workload_hash([("inputs", moved)], {})
    assert workload_hash([("inputs", moved.rename(inputs))], {}) == name
    assert workload_hash([("other", inputs)], {}) != name


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=5))
def test_parameters_count_in_any_order(params):
    shuffled = dict(reversed(params.items()))
    assert workload_hash([], params) == workload_hash([], shuffled)
    assert workload_hash([], {**params, "one more": 1}) != workload_hash([], params)


def test_one_and_the_text_one_are_different_parameters():
    assert workload_hash([], {"n": 1}) != workload_hash([], {"n": "1"})


def test_commit_and_whether_the_tree_differs_from_it(tmp_path):
    assert commit(tmp_path) == ("", False)

    def git(*arguments):
        who = ["-c", "user.name=Toy", "-c", "user.email=toy@example.com", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "--quiet")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "--quiet", "-m", "first")
    head = git("rev-parse", "HEAD")
    assert commit(tmp_path) == (head, False)
    (tmp_path / "untracked").touch()
    assert commit(tmp_path) == (head, False)
    (tmp_path / "a").write_text("2")
    assert commit(tmp_path) == (head, True)
