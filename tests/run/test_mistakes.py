"""Mistakes in a benchmark file: one line each, and a failing test."""

import pytest


@pytest.fixture(scope="module")
def failed(make_long_lived):
    done = make_long_lived("mistakes", "nameless").bench("-rfE", budget=0.5)
    assert done.code == 1, done.out
    return done


@pytest.mark.parametrize(
    ("test", "says"),
    [
        ("test_no_arms[cpu]", "ab.run() without arms; call ab.arms()"),
        ("test_twice[cpu]", "ab.run() twice; use parametrize"),
        ("test_no_input[cpu]", "inputs/nothing.csv: no such input; ab.uses() takes an existing path"),
        ("test_arm_fails[cpu]", "here: the arm cannot run; mend it"),
        ("test_nameless[cpu]", "test_nameless.py: the ab fixture needs OPTIMIZATION = Optimization(...)"),
    ],
)
def test_each_is_named_in_one_line(failed, test, says):
    lines = [line for line in failed.out.splitlines() if says in line]
    assert lines, failed.out
    assert any(line.startswith(("FAILED", "ERROR")) and test in line for line in failed.out.splitlines())
    assert "Traceback" not in failed.out
    assert "harness/pair.py" not in failed.out


def test_a_benchmark_that_never_runs_its_pair_does_not_pass(make_project):
    done = make_project("mistakes").bench("-k", "no_run")
    assert done.code == 1, done.out
    assert "the benchmark never called ab.run()" in done.out
