"""The pytest side: options, hardware markers, the `ab` fixture, and where a run begins and ends.

This is the only module that knows pytest. An entry point loads it in every environment that has the
package, so the rest is imported only once a benchmark is collected.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import EXIT_NOTHING_MEASURED, HarnessError
from harness.measure.spec import Optimization, Requires

if TYPE_CHECKING:
    from harness.hardware import Matrix, Row
    from harness.pair import Identity, PairedBenchmark
    from harness.session import Session, Settings

MATRIX_FILE = "hardware_matrix.toml"
PAIR, PLAIN = "ab", "benchmark"
_matrix_key: pytest.StashKey[Matrix] = pytest.StashKey()
_session_key: pytest.StashKey[Session] = pytest.StashKey()
_collected_key: pytest.StashKey[list[str]] = pytest.StashKey()
_closing_key: pytest.StashKey[list[str]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    option = parser.getgroup("harness", "before/after benchmarks").addoption
    option("--hardware", metavar="auto|ROW", help="select one hardware row; auto = the row this machine is")
    option("--budget", type=float, default=300.0, metavar="SECONDS", help="measuring time, shared out [300]")
    option(
        "--gate", choices=("default", "strict", "off"), default="default", help="strict: inconclusive fails"
    )
    option("--no-confirm", action="store_true", help="do not repeat a regression in a fresh process")
    option("--measured-only", action="store_true", help="model nothing; nothing measured exits 12")
    option("--update-baseline", action="store_true", help="record what this run finds; prints the difference")
    option("--pin-baseline", action="store_true", help="with --update-baseline: pin the result as well")
    option("--resume", default="", metavar="RUN", help="continue an interrupted run (id, path or latest)")
    option("--report-dir", default="reports", metavar="DIR", help="where run folders go [reports]")
    option("--baseline-dir", metavar="DIR", help="committed baselines [baselines in --report-dir]")
    option("--matrix", metavar="FILE", help=f"hardware matrix [{MATRIX_FILE} in the root directory]")
    option("--round-seed", type=int, default=0, metavar="N", help="seed of round order and resampling [0]")
    option("--explain", metavar="NODEID", help="print how the latest run reached its verdicts, and stop")
    option("--against", metavar="REV|RUN", help="compare with a git revision, side by side, or with a run")
    option(
        "--model", default="", metavar="PATH|ID", help="use these weights instead of the matrix's [models]"
    )
    option("--endpoint", default="", metavar="URL", help="use this OpenAI-compatible server as the engine")
    option("--worker-pipes", metavar="IN,OUT", help="(internal) serve rounds to another process")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes minutes; left out of the gate tier of `make bench`")
    config.pluginmanager.register(_PlainBenchmarks(), "harness-plain-benchmarks")
    path = _matrix_path(config)
    if path is None:
        return
    from harness.hardware import load_matrix

    with _usage_errors():
        matrix = load_matrix(path)
    config.stash[_matrix_key] = matrix
    for row in matrix.rows.values():
        config.addinivalue_line("markers", f"{row.name}: {row.title} (hardware row)")


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    with _usage_errors():
        if not 0 < config.option.budget < float("inf"):
            raise HarnessError(f"--budget {config.option.budget:g}", allowed="seconds above 0")
        _refuse_lost_thresholds(config)
        if config.option.explain:
            from harness.explain import explain_latest

            sys.stdout.write(explain_latest(_report_dir(config), config.option.explain) + "\n")
            return 0
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "hardware" in metafunc.fixturenames and _matrix_key in metafunc.config.stash:
        rows = _matrix(metafunc.config).rows.values()
        marked = [pytest.param(row, id=row.name, marks=getattr(pytest.mark, row.name)) for row in rows]
        metafunc.parametrize("hardware", marked, indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Note what exists before `-m` and `-k` cut it down; give plain benchmarks this machine's row."""
    pairs = [item for item in items if PAIR in _fixtures(item)]
    plain = [item for item in items if PLAIN in _fixtures(item)]
    if pairs and _matrix_key not in config.stash:
        # raised while a file is collected, this would be one collection error per file
        raise pytest.UsageError(
            f"no {MATRIX_FILE} in {config.rootpath}; the ab fixture needs one: "
            "copy the harness's own and keep the rows you have, or pass --matrix FILE"
        )
    unreadable = session.testsfailed and not config.option.continue_on_collection_errors
    if _matrix_key not in config.stash or not (pairs or plain) or unreadable:
        return
    from harness.session import machine_row

    with _usage_errors():
        here = machine_row(_matrix(config))
    collected: list[str] = [item.nodeid for item in pairs]
    for item in plain:
        item.add_marker(getattr(pytest.mark, here.name))
    if config.option.hardware:
        with _usage_errors():
            wanted = here if config.option.hardware == "auto" else _matrix(config).row(config.option.hardware)
        dropped = [item for item in pairs + plain if item.get_closest_marker(wanted.name) is None]
        items[:] = [item for item in items if item not in dropped]
        config.hook.pytest_deselected(items=dropped)
    config.stash[_collected_key] = collected


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str]:
    """Open the run; its header stands above everything else that the run prints."""
    chosen = [item for item in items if PAIR in _fixtures(item)]
    plain = [item for item in items if PLAIN in _fixtures(item)]
    starts = (chosen or plain) and _collected_key in config.stash
    if not starts or config.option.collectonly or config.option.worker_pipes:
        return []
    if getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("timed cells of several processes disturb each other; run without -n")
    from harness.session import begin, header

    with _usage_errors():
        cells = [(_param(item, "hardware"), _requires(item)) for item in chosen]
        session = begin(_settings(config), _matrix(config), cells)
    config.stash[_session_key] = session
    config.add_cleanup(session.resources.close)
    session.on_start = lambda *progress: _show_progress(config, *progress)
    return header(session, color=_has_color(config))


@pytest.fixture
def hardware(request: pytest.FixtureRequest) -> Row:
    """The hardware row of this cell; its name is the cell's marker."""
    row: Row = request.param
    return row


@pytest.fixture
def ab(request: pytest.FixtureRequest, hardware: Row) -> PairedBenchmark:
    """One before/after pair on one hardware row: declare the arms, then `ab.run()`."""
    from harness.pair import PairedBenchmark

    identity = _identity(request, hardware)
    if request.config.option.worker_pipes:
        from harness.against import serve

        settle = serve(request.config.option.worker_pipes)
    else:
        session = request.config.stash[_session_key]
        refused = session.refuse(identity)
        if refused is not None:
            pytest.skip(refused.reason)
        settle = session.settle
    return PairedBenchmark(identity, request.config.rootpath, settle)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A user's mistake is shown as one line; a cell that was not run is a skip with its reason."""
    try:
        yield
    except HarnessError as error:
        pytest.fail(error.message, pytrace=False)
    pair = getattr(item, "funcargs", {}).get(PAIR)
    if pair is not None and pair.cell is None:
        pytest.fail("the benchmark never called ab.run()", pytrace=False)
    if pair is not None and pair.cell.state == "not run":
        pytest.skip(pair.cell.reason)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    if config.stash.get(_collected_key, None) and _session_key not in config.stash:
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and not config.option.collectonly:
            session.exitstatus = EXIT_NOTHING_MEASURED
            rows = ", ".join(_matrix(config).rows)
            config.stash[_closing_key] = [f"nothing was selected, so nothing was measured; rows: {rows}"]
        return
    if _session_key not in config.stash:
        return
    bench = config.stash[_session_key]
    if exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR):
        again = f"interrupted; finished cells are kept: continue with --resume {bench.run['id']}"
        config.stash[_closing_key] = [again]
        return
    from harness.finish import finish

    collected = config.stash[_collected_key]
    plain = getattr(getattr(config, "_benchmarksession", None), "benchmarks", [])
    try:
        closing, code = finish(bench, collected, _asked(config), plain, _has_color(config))
    except HarnessError as error:
        closing, code = [error.message], error.exit_code
    config.stash[_closing_key] = closing
    if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = code


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if _closing_key in config.stash:
        terminalreporter.section("before/after")
        for line in config.stash[_closing_key]:
            terminalreporter.write_line(line)


class _PlainBenchmarks:
    """Guards pytest-benchmark's fixture; registered late, so that it wraps the original."""

    @pytest.fixture
    def benchmark(self, benchmark: Any) -> Any:
        from harness.plain import GuardedBenchmark

        # pytest-benchmark insists on its own object, so this one changes its class
        benchmark.__class__ = GuardedBenchmark
        return benchmark


def _refuse_lost_thresholds(config: pytest.Config) -> None:
    # pytest-benchmark keeps only the last of several, whatever its help says
    given = [arg for arg in config.invocation_params.args if str(arg).startswith("--benchmark-compare-fail")]
    if len(given) > 1:
        raise HarnessError(
            "--benchmark-compare-fail given twice: pytest-benchmark would drop all but the last",
            next_step="give it once with several expressions",
        )


def _identity(request: pytest.FixtureRequest, row: Row) -> Identity:
    from harness.pair import Identity
    from harness.provenance import benchmark_hash

    optimization = getattr(request.module, "OPTIMIZATION", None)
    if not isinstance(optimization, Optimization):
        where = Path(request.module.__file__).name
        pytest.fail(
            f"{where}: the ab fixture needs OPTIMIZATION = Optimization(...) in the module", pytrace=False
        )
    params = dict(request.node.callspec.params)
    params.pop("hardware")
    source = Path(request.module.__file__).read_text(encoding="utf-8")
    return Identity(request.node.nodeid, optimization, row, params, benchmark_hash(source))


def _settings(config: pytest.Config) -> Settings:
    from harness.session import Settings

    option = config.option
    report_dir = _report_dir(config)
    baseline_dir = config.rootpath / option.baseline_dir if option.baseline_dir else report_dir / "baselines"
    return Settings(
        root=config.rootpath,
        matrix_path=_matrix(config).path,
        report_dir=report_dir,
        baseline_dir=baseline_dir,
        budget_s=option.budget,
        gate=option.gate,
        confirm=not option.no_confirm,
        measured_only=option.measured_only,
        update_baseline=option.update_baseline or option.pin_baseline,
        pin_baseline=option.pin_baseline,
        seed=option.round_seed,
        resume=option.resume,
        against=option.against or "",
        model=option.model,
        endpoint=option.endpoint,
        command=("pytest", *map(str, config.invocation_params.args)),
    )


def _matrix_path(config: pytest.Config) -> Path | None:
    if config.option.matrix:
        return config.invocation_params.dir / str(config.option.matrix)
    found = config.rootpath / MATRIX_FILE
    return found if found.exists() else None


def _matrix(config: pytest.Config) -> Matrix:
    return config.stash[_matrix_key]


def _report_dir(config: pytest.Config) -> Path:
    return config.rootpath / str(config.option.report_dir)


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return getattr(item, "fixturenames", ())


def _param(item: pytest.Item, name: str) -> Any:
    callspec = getattr(item, "callspec", None)
    return callspec.params[name] if callspec is not None else None


def _requires(item: pytest.Item) -> Requires:
    optimization = getattr(getattr(item, "module", None), "OPTIMIZATION", None)
    return getattr(optimization, "requires", Requires())


def _asked(config: pytest.Config) -> list[str]:
    """What pytest was told to collect, as nodeid prefixes relative to the root directory."""
    prefixes = []
    for argument in config.args:
        path, separator, rest = str(argument).partition("::")
        absolute = (config.invocation_params.dir / path).resolve()
        if absolute.is_relative_to(config.rootpath):
            relative = absolute.relative_to(config.rootpath).as_posix()
            prefixes.append(("" if relative == "." else relative) + separator + rest)
    return prefixes


def _show_progress(config: pytest.Config, nodeid: str, done: int, total: int, left_s: float) -> None:
    from harness.render import progress_line

    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if reporter is not None and capture is not None and config.option.verbose >= 0:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(progress_line(done, total, left_s, nodeid))


def _has_color(config: pytest.Config) -> bool:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return bool(reporter is not None and reporter.hasmarkup)


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Show a user's mistake as pytest shows its own: one line, exit code 4."""
    try:
        yield
    except HarnessError as error:
        raise pytest.UsageError(error.message) from None
