"""`--against`: this tree beside a revision, in alternating workers; and beside a stored run."""

import subprocess

import pytest


def git(project, *arguments: str) -> str:
    who = ["-c", "user.name=Toy", "-c", "user.email=toy@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=project.root, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture
def committed(make_project):
    """A project in a folder of its repository, whose benchmark imports a library from `src`."""
    project = make_project("loop")
    library = project.root / "src" / "toy_library.py"
    library.parent.mkdir()
    library.write_text("FACTOR = 1\n")
    file = project.root / "benchmarks" / "test_loop.py"
    source = file.read_text().replace("range(turns)", "range(FACTOR * turns)")
    file.write_text(source.replace("import os\n", "import os\nfrom toy_library import FACTOR\n", 1))
    (project.root.parent / "other").touch()
    git(project, "init", "--quiet", "..")
    git(project, "add", "../other")
    git(project, "commit", "--quiet", "-m", "before the project")
    git(project, "add", "hardware_matrix.toml", "pytest.ini", "benchmarks", "inputs", "src")
    git(project, "commit", "--quiet", "-m", "base")
    return project


def against(project, revision: str):
    # as an editable installation would, this serves the head's library to everyone who does not mind
    return project.bench("--against", revision, budget=1.0, PYTHONPATH=str(project.root / "src"))


def test_a_slower_head_is_10_and_the_checkout_is_gone(committed):
    (committed.root / "src" / "toy_library.py").write_text("FACTOR = 2\n")
    done = against(committed, "HEAD")
    assert done.code == 10, done.out
    (finding,) = done.cell("loop")["findings"]
    assert finding["effect"]["ratio"] == pytest.approx(2.0, rel=0.25)
    assert finding["gate_result"]["state"] == "regressed"
    assert len(git(committed, "worktree", "list").splitlines()) == 1


def test_the_same_code_is_green(committed):
    done = against(committed, "HEAD")
    assert done.code == 0, done.out
    (finding,) = done.cell("loop")["findings"]
    assert finding["gate_result"]["state"] in ("pass", "inconclusive")


def test_a_base_without_the_benchmark_says_so(committed):
    (committed.root / "benchmarks" / "test_loop.py").rename(committed.root / "benchmarks" / "test_new.py")
    done = against(committed, "HEAD")
    assert done.cell("test_new")["state"] == "not run"
    assert done.code == 12, done.out


def test_a_base_without_the_project_is_4(committed):
    done = against(committed, "HEAD~1")
    assert done.code == 4
    assert "HEAD~1 has no folder project/" in done.err
    assert done.run_dir is None
    assert len(git(committed, "worktree", "list").splitlines()) == 1


def test_a_stored_run_is_compared_but_fails_nothing(recorded_once, recorded):
    _, first = recorded_once
    done = recorded.bench(
        "-k", "loop", "--gate=off", "--against", first.run_dir.name, budget=1.6, TOY_TURNS="60000"
    )
    assert done.code == 0, done.out
    table = done.out.partition(f"against {first.run_dir.name} (advisory):")[2]
    assert "test_loop[cpu]" in table
    assert "duration" in table
