"""Every command in the documentation exists: its make target, subcommand, options, markers and paths."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
HARNESS = Path(sys.executable).with_name("harness")
# Places in a command that stand for something of the reader's own.
PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_]*\.*")


@cache
def output_of(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{shlex.join(command)} failed: {done.stderr[-500:]}"
    return done.stdout


def commands(page: str) -> list[str]:
    """The lines of all ```bash blocks, continuation lines joined, comments left out."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def problems(command: str) -> Iterator[str]:
    """What is wrong with one documented command; nothing when it can be run as it stands."""
    words = shlex.split(command, comments=True)
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    name = Path(words[0]).name
    check = CHECKS.get(name)
    if check is None:
        yield f"no check knows the command {name!r}"
    else:
        yield from check(words[1:])


def make_problems(words: list[str]) -> Iterator[str]:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert targets is not None
    for word in words:
        variable, is_assignment, value = word.partition("=")
        if not is_assignment and word not in targets[1].split():
            yield f"make has no target {word!r}"
        if is_assignment and not re.search(rf"\$\({variable}\b|^{variable}\b", makefile, re.MULTILINE):
            yield f"make has no variable {variable!r}"
        if variable == "EXTRA":
            yield from (f"no extra {e!r}" for e in value.split() if not (ROOT / f"locks/{e}.txt").is_file())
        if variable == "BENCH_ARGS":
            yield from pytest_problems(shlex.split(value))
        if variable == "SELFTEST_ARGS":
            yield from harness_problems(["selftest", *shlex.split(value)])


def harness_problems(words: list[str]) -> Iterator[str]:
    if not words or words[0].startswith("-"):
        yield from unknown_options(words, output_of(str(HARNESS), "--help"))
        return
    # these have subcommands of their own
    command = words[: 2 if words[0] in ("models", "predict", "corpus") else 1]
    try:
        text = output_of(str(HARNESS), *command, "--help")
    except AssertionError:
        yield f"harness has no subcommand {shlex.join(command)!r}"
        return
    yield from unknown_options(words[len(command) :], text)


def pytest_problems(words: list[str]) -> Iterator[str]:
    yield from unknown_options(words, output_of(sys.executable, "-m", "pytest", "--help"))
    markers = set(
        re.findall(r"^@pytest\.mark\.(\w+)", output_of(sys.executable, "-m", "pytest", "--markers"), re.M)
    )
    for option, value in zip(["", *words], words, strict=False):
        if option == "-m":
            wanted = set(re.findall(r"\w+", value)) - {"and", "or", "not"}
            yield from (f"no marker {marker!r}" for marker in sorted(wanted - markers))
        elif not option.startswith("-") and not value.startswith("-") and not PLACEHOLDER.fullmatch(value):
            path = value.split("::")[0]
            if not (ROOT / path).exists():
                yield f"no file or folder {path!r}"


def unknown_options(words: list[str], help_text: str) -> Iterator[str]:
    known = set(re.findall(r"(?<![\w-])--?[\w][\w-]*", help_text))
    for word in words:
        option = word.partition("=")[0]
        if option.startswith("-") and option not in known:
            yield f"no option {option!r}"


def nothing_to_check(words: list[str]) -> Iterator[str]:
    yield from ()


CHECKS: dict[str, Callable[[list[str]], Iterator[str]]] = {
    "make": make_problems,
    "harness": harness_problems,
    "pytest": pytest_problems,
    "git": nothing_to_check,
    "cd": nothing_to_check,
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_documented_command_exists(page: Path) -> None:
    found = {command: list(problems(command)) for command in commands(page.read_text())}
    assert not {command: wrong for command, wrong in found.items() if wrong}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert not [link for link in links if not (page.parent / link).exists()]


def test_exit_codes_page_lists_every_code() -> None:
    defined = re.findall(r"^EXIT_\w+ = (\d+)", (ROOT / "harness/errors.py").read_text(), re.MULTILINE)
    page = (ROOT / "docs/exit-codes.md").read_text()
    listed = set(re.findall(r"^\| (\d+) \|", page, re.MULTILINE))
    assert listed == {*defined, *(str(int(code)) for code in pytest.ExitCode)}


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("make nothing", "make has no target 'nothing'"),
        ("make install EXTRA=nope", "no extra 'nope'"),
        ("make bench BENCH_ARG=-x", "make has no variable 'BENCH_ARG'"),
        ("harness dance", "harness has no subcommand 'dance'"),
        (".venv/bin/pytest benchmarks --no-such-option=1", "no option '--no-such-option'"),
        ("pytest benchmark", "no file or folder 'benchmark'"),
        ("pytest -m 'cpu and not slwo'", "no marker 'slwo'"),
        ("curl example", "no check knows the command 'curl'"),
    ],
)
def test_a_wrong_command_is_found(command: str, says: str) -> None:
    assert says in list(problems(command))
