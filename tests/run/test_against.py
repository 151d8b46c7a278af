"""`--against`: this tree beside a revision, in alternating workers; and beside a stored run."""

import subprocess

import pytest


def git(project, *arguments: str) -> None:
    who = ["-c", "user.name=Toy", "-c", "user.email=toy@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=project.root, check=True, capture_output=True)


@pytest.fixture
def committed(make_project):
    project = make_project("loop")
    git(project, "init", "--quiet")
    git(project, "add", "hardware_matrix.toml", "pytest.ini", "benchmarks", "inputs")
    git(project, "commit", "--quiet", "-m", "base")
    return project


def worktrees(project) -> int:
    listed = subprocess.run(
        ["git", "worktree", "list"], cwd=project.root, capture_output=True, text=True, check=True
    )
    return len(listed.stdout.splitlines())


def test_a_slower_head_is_10_and_the_checkout_is_gone(committed):
    file = committed.root / "benchmarks" / "test_loop.py"
    file.write_text(file.read_text().replace("for _ in range(turns):", "for _ in range(2 * turns):"))
    done = committed.bench("--against", "HEAD", budget=1.0)
    assert done.code == 10, done.out
    (finding,) = done.cell("loop")["findings"]
    assert finding["effect"]["ratio"] == pytest.approx(2.0, rel=0.25)
    assert finding["gate_result"]["state"] == "regressed"
    assert worktrees(committed) == 1


def test_the_same_code_is_green(committed):
    done = committed.bench("--against", "HEAD", budget=1.0)
    assert done.code == 0, done.out
    (finding,) = done.cell("loop")["findings"]
    assert finding["gate_result"]["state"] in ("pass", "inconclusive")


def test_a_base_without_the_benchmark_says_so(committed):
    (committed.root / "benchmarks" / "test_loop.py").rename(committed.root / "benchmarks" / "test_new.py")
    done = committed.bench("--against", "HEAD", budget=1.0)
    assert done.cell("test_new")["state"] == "not run"
    assert done.code == 12, done.out


def test_each_side_imports_its_own_sources(make_project):
    project = make_project("loop")
    library = project.root / "src" / "toy_library.py"
    library.parent.mkdir()
    library.write_text("FACTOR = 1\n")
    file = project.root / "benchmarks" / "test_loop.py"
    slow = file.read_text().replace("range(turns)", "range(FACTOR * turns)")
    file.write_text(slow.replace("import os\n", "import os\nfrom toy_library import FACTOR\n", 1))
    git(project, "init", "--quiet")
    git(project, "add", "hardware_matrix.toml", "pytest.ini", "benchmarks", "inputs", "src")
    git(project, "commit", "--quiet", "-m", "base")
    library.write_text("FACTOR = 2\n")
    done = project.bench("--against", "HEAD", budget=1.0, PYTHONPATH=str(library.parent))
    assert done.code == 10, done.out


def test_a_project_in_a_folder_of_its_repository(make_project):
    project = make_project("loop")
    (project.root.parent / "other").touch()
    git(project, "init", "--quiet", "..")
    git(project, "add", "../other")
    git(project, "commit", "--quiet", "-m", "before the project")
    git(project, "add", "hardware_matrix.toml", "pytest.ini", "benchmarks", "inputs")
    git(project, "commit", "--quiet", "-m", "base")
    done = project.bench("--against", "HEAD", budget=1.0)
    assert done.cell("loop")["state"] == "measured", done.out
    too_early = project.bench("--against", "HEAD~1")
    assert too_early.code == 4
    assert "HEAD~1 has no folder project/" in too_early.err
    assert worktrees(project) == 1


def test_a_stored_run_is_compared_but_fails_nothing(recorded_once, recorded):
    _, first = recorded_once
    done = recorded.bench(
        "-k", "loop", "--gate=off", "--against", first.run_dir.name, budget=1.6, TOY_TURNS="60000"
    )
    assert done.code == 0, done.out
    table = done.out.partition(f"against {first.run_dir.name} (advisory):")[2]
    assert "test_loop[cpu]" in table
    assert "duration" in table
