"""Finding runs and reading them back, finished or not."""

from __future__ import annotations

from pathlib import Path

from harness.errors import HarnessError
from harness.results.documents import RunDocument, read_json, run_document, validate_part, validate_results
from harness.results.store import CELLS, HEADER, RESULTS, load_cells


def recover_document(run_dir: Path) -> RunDocument:
    """The document of a run that never finished: its header and the cells it completed.

    Raises HarnessError when the header is missing or damaged.
    """
    path = run_dir / HEADER
    header = read_json(
        path, "the run stopped before it measured anything; delete its folder and measure again"
    )
    validate_part(header, "run_header", str(path))
    return run_document(header["run"], header["machine"], load_cells(run_dir).values())


def read_run(path: Path) -> RunDocument:
    """The run document at `path`: a run folder, finished or not, or a results.json.

    Raises HarnessError when it is missing, damaged, a merge of several runs, or of another
    schema_version.
    """
    file = path / RESULTS if path.is_dir() else path
    if path.is_dir() and not file.exists():
        return recover_document(path)
    if path.name == HEADER:
        return recover_document(path.parent)
    document = read_json(
        file, "name a run folder or its results.json; `harness report latest` takes the newest"
    )
    validate_results(document, str(file))
    if "runs" in document:
        raise HarnessError("several runs merged, one is needed", where=str(file), next_step="name one run")
    result: RunDocument = document
    return result


def resolve_run(reports_dir: Path, name: str) -> Path:
    """The run called `name`: a path, an id, the beginning of exactly one id, or "latest".

    Raises HarnessError with the candidates otherwise.
    """
    direct = Path(name)
    if direct.exists() and (direct.is_file() or is_run(direct)):
        return direct
    runs = sorted(path for path in reports_dir.glob("*") if is_run(path))
    if name == "latest" and runs:
        return runs[-1]
    exact = [path for path in runs if path.name == name]
    found = exact or [path for path in runs if name and path.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    newest = ", ".join(path.name for path in (found or runs)[-5:])
    raise HarnessError(
        f"{len(found)} runs begin with {name!r}" if found else f"no run called {name!r}",
        where=str(reports_dir),
        allowed=f"latest, a path, or an id such as {newest}" if newest else "",
        next_step="give more of the id" if found else "" if runs else "measure first: pytest benchmarks",
    )


def is_run(path: Path) -> bool:
    """Whether the folder holds a run, finished or not."""
    return path.is_dir() and any((path / name).exists() for name in (RESULTS, HEADER, CELLS))


def is_finished(run_dir: Path) -> bool:
    """Whether the run came to its end: results.json is the last thing it writes."""
    return (run_dir / RESULTS).exists()
