"""Who may import whom, from docs/architecture.md. Imports inside functions count like any other."""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SYSTEMS = {"prompts", "detection", "extraction", "placement"}
# what a command alone is made of, on top of a room below the systems
COMMANDS = {"predict"}
BELOW_SYSTEMS = {"errors", "measure", "hardware", "engines", "models", "calls", "costmodel", "render"}

# room -> what else of ours it may import; a longer name narrows it to that module
ROOMS = {
    "errors": set(),
    "measure": {"errors"},
    "hardware": {"errors", "measure"},
    "results": {"errors", "measure"},
    "render": {"errors", "measure.spec", "measure.outcome", "results.records", "results.frames"},
    "engines": {"errors", "measure", "hardware"},
    "costmodel": {"errors", "measure", "hardware", "engines.protocol"},
    "models": {"errors", "measure", "hardware", "engines", "render"},
    "calls": {"errors", "hardware", "engines", "models"},
    **dict.fromkeys(SYSTEMS | COMMANDS, BELOW_SYSTEMS),
}
# the modules on top, each may import those before it and every room but the systems and commands
TOP = (
    "provenance", "options", "pair", "cells", "worker", "against", "plain", "explain", "doctor", "selftest",
    "session", "judging", "finish", "plugin", "cli",
)  # fmt: skip
ONLY_ON_TOP = SYSTEMS | COMMANDS
MAY_IMPORT_THOSE = {"cli"}
MAY_IMPORT_PYTEST = {"plugin"}
NO_ROOM_FOR_FILES = {
    "pathlib",
    "io",
    "os",
    "shutil",
    "tempfile",
    "json",
    "csv",
    "pickle",
    "sqlite3",
    "pandas",
}
# the kernel's counters are files under /proc
READS_PROC = {"measure.probes"}
BENCHMARKS_MAY_IMPORT = {"", "errors", "measure", "engines", "models", "calls", "costmodel", *SYSTEMS}
# inside placement: each folder may import those before it; the modules beside them come first
PLACEMENT = (
    "solver", "exact", "inputs", "documented", "fleets", "reasons", "answers", "output", "command", "trials",
)  # fmt: skip


def violations(root: Path) -> list[str]:
    """One line for each import under `root` that the rules do not allow."""
    package = root / "harness"
    modules = {_name(path, package) for path in package.rglob("*.py")}
    found = []
    for path in sorted(package.rglob("*.py")):
        module = _name(path, package)
        found += [f"harness.{module}: {why}" for why in _wrong(module, list(_imports(path, modules)))]
    for path in sorted((root / "benchmarks").rglob("*.py")):
        for ours, target in _imports(path, modules):
            if ours and target.partition(".")[0] not in BENCHMARKS_MAY_IMPORT:
                found.append(f"{path.relative_to(root).as_posix()}: imports harness.{target}")
    return found


def _name(path: Path, package: Path) -> str:
    """`measure.stats` for harness/measure/stats.py, empty for the package itself."""
    return ".".join(path.relative_to(package).with_suffix("").parts).removesuffix("__init__").rstrip(".")


def _imports(path: Path, modules: set[str]) -> Iterator[tuple[bool, str]]:
    """(whether it is ours, the module) of every import; ours without the leading `harness.`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.partition(".")[0] != "harness":
                yield False, name.partition(".")[0]
                continue
            inside = name.partition(".")[2]
            yield True, inside if inside in modules else inside.rpartition(".")[0]


def _wrong(module: str, imports: list[tuple[bool, str]]) -> Iterator[str]:
    room = module.partition(".")[0]
    if module and room not in ROOMS and room not in TOP:
        yield "has no place in the rules"
        return
    for ours, target in imports:
        if not ours:
            yield from _wrong_outside(module, room, target)
        elif module and not (_may(room, target) and _may_inside_placement(module, target)):
            yield f"imports harness.{target}"
    if module == "engines.protocol" and any(ours for ours, _ in imports):
        yield "imports something of ours"


def _wrong_outside(module: str, room: str, target: str) -> Iterator[str]:
    if target in ("pytest", "_pytest") and module not in MAY_IMPORT_PYTEST:
        yield f"imports {target}"
    if room == "measure" and target in NO_ROOM_FOR_FILES and module not in READS_PROC:
        yield f"imports {target}"


def _may(room: str, target: str) -> bool:
    other = target.partition(".")[0]
    if room in ROOMS:
        return other == room or bool({other, target} & ROOMS[room])
    if other in ROOMS:
        return other not in ONLY_ON_TOP or room in MAY_IMPORT_THOSE
    return other in TOP[: TOP.index(room)]


def _may_inside_placement(module: str, target: str) -> bool:
    if not (module.startswith("placement.") and target.startswith("placement.")):
        return True
    here, there = (name.split(".")[1] for name in (module, target))
    order = {folder: place for place, folder in enumerate(PLACEMENT)}
    return order.get(there, -1) <= order.get(here, -1)


def test_every_import_goes_downwards():
    assert violations(ROOT) == []


@pytest.fixture
def tree(tmp_path):
    """A copy of the package's sources that a test may spoil."""
    for folder in ("harness", "benchmarks"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("harness/measure/stats.py", "from harness.results import Cell"),
        ("harness/measure/stats.py", "from harness import hardware"),
        ("harness/measure/rounds.py", "import pytest"),
        ("harness/measure/outcome.py", "from pathlib import Path"),
        ("harness/measure/probes.py", "import tempfile, _pytest"),
        ("harness/hardware/rows.py", "import harness.results.store"),
        ("harness/results/gate.py", "from harness.render import page"),
        ("harness/results/gate.py", "from harness.session import Session"),
        ("harness/render/html.py", "from harness.measure.stats import log_ratios"),
        ("harness/render/html.py", "from harness.results import resolve_run"),
        ("harness/render/svg.py", "from harness import placement"),
        ("harness/placement/documented/milp.py", "from harness.extraction import chunks"),
        ("harness/placement/documented/milp.py", "def late():\n    from harness import cli"),
        ("harness/placement/documented/milp.py", "from harness.results import resolve_run"),
        ("harness/placement/exact/front.py", "from harness.placement.documented.milp import Goal"),
        ("harness/placement/plan.py", "from harness.placement.solver.highs import run_highs"),
        ("harness/prompts/metric.py", "from harness.placement import read_problem"),
        ("harness/engines/protocol.py", "from harness.errors import HarnessError"),
        ("harness/engines/llama.py", "from harness.costmodel import roofline"),
        ("harness/session.py", "from harness.placement import read_problem"),
        ("harness/session.py", "from harness.plugin import MATRIX_FILE"),
        ("harness/session.py", "from harness.predict import serving"),
        ("harness/placement/plan.py", "from harness.predict.prediction import predict"),
        ("harness/predict/load.py", "from harness.placement import read_problem"),
        ("harness/predict/load.py", "from harness.results import resolve_run"),
        ("harness/cli.py", "import pytest"),
        ("harness/cells.py", "from harness.finish import finish"),
        ("harness/errors.py", "from harness.measure.spec import Metric"),
        ("harness/helpers.py", "import math"),
        ("benchmarks/placement/test_segment_sizes.py", "from harness.results import resolve_run"),
        ("benchmarks/placement/test_segment_sizes.py", "from harness.predict.prediction import predict"),
    ],
)
def test_a_planted_import_is_found(tree, file, line):
    path = tree / file
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + f"\n{line}\n")
    where = file.removesuffix(".py").replace("/", ".") if file.startswith("harness") else file
    found = violations(tree)
    assert len(found) >= 1
    assert all(message.startswith(f"{where}: ") for message in found)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("harness/costmodel/roofline.py", "from harness.engines.protocol import Engine"),
        ("harness/placement/output/report.py", "from harness.render import page"),
        ("harness/detection/scores.py", "from harness.engines import transformers"),
        ("harness/cli.py", "from harness.placement import read_problem"),
    ],
)
def test_the_rules_leave_room_for_what_the_design_allows(tree, file, line):
    path = tree / file
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + f"\n{line}\n")
    assert violations(tree) == []
