"""The pytest side: options, hardware markers, the `ab` fixture, and where a run begins and ends.

This is the only module that knows pytest. An entry point loads it in every environment that has the
package, so the rest is imported only once a benchmark is collected.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import EXIT_BAD_INPUT, EXIT_NOTHING_MEASURED, HarnessError
from harness.measure.spec import Optimization, Requires
from harness.options import MATRIX_FILE, add_options, asked_prefixes, check_options, settings_of

if TYPE_CHECKING:
    from harness.finish import Seen
    from harness.hardware import Matrix, Row
    from harness.options import Settings
    from harness.pair import Identity, PairedBenchmark
    from harness.session import Session

PAIR, PLAIN = "ab", "benchmark"
ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
_matrix_key: pytest.StashKey[Matrix] = pytest.StashKey()
_session_key: pytest.StashKey[Session] = pytest.StashKey()
_collected_key: pytest.StashKey[list[str]] = pytest.StashKey()
_unseen_key: pytest.StashKey[list[str]] = pytest.StashKey()
_closing_key: pytest.StashKey[list[str]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser.getgroup("harness", "before/after benchmarks").addoption)


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
        check_options(config.option, [str(argument) for argument in config.invocation_params.args])
        if config.option.explain:
            from harness.explain import explain_latest

            text = explain_latest(config.rootpath / str(config.option.report_dir), config.option.explain)
            sys.stdout.write(text + "\n")
            return 0
    return None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Note what could not be collected: its benchmarks did not vanish, they were not seen."""
    report = yield
    if report.outcome != "passed":
        collector.config.stash.setdefault(_unseen_key, []).append(collector.nodeid)
    return report


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


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Open the run; its header stands above everything else that the run prints."""
    config = session.config
    chosen = [item for item in session.items if PAIR in _fixtures(item)]
    plain = [item for item in session.items if PLAIN in _fixtures(item)]
    starts = (chosen or plain) and _collected_key in config.stash
    if not starts or config.option.collectonly or config.option.worker_pipes:
        return
    if getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("timed cells of several processes disturb each other; run without -n")
    from harness.session import begin, header

    with _usage_errors():
        cells = [(_param(item, "hardware"), _requires(item)) for item in chosen]
        run = begin(_settings(config), _matrix(config), cells)
    config.stash[_session_key] = run
    config.add_cleanup(run.resources.close)
    run.on_start = lambda *progress: _show_progress(config, *progress)
    _write_lines(config, header(run, color=_has_color(config)))


@pytest.fixture
def hardware(request: pytest.FixtureRequest) -> Row:
    """The hardware row of this cell; its name is the cell's marker."""
    row: Row = request.param
    return row


@pytest.fixture
def ab(request: pytest.FixtureRequest, hardware: Row) -> PairedBenchmark:
    """One before/after pair on one hardware row: declare the arms, then `ab.run()`."""
    from harness.pair import PairedBenchmark

    try:
        identity = _identity(request.node)
    except HarnessError as error:
        pytest.fail(error.message, pytrace=False)
    session = request.config.stash.get(_session_key, None)
    if session is None:
        from harness.worker import serve

        return PairedBenchmark(identity, request.config.rootpath, serve(request.config.option.worker_pipes))
    refused = session.refuse(identity)
    if refused is not None:
        pytest.skip(refused.reason)
    return PairedBenchmark(identity, request.config.rootpath, session.settle, session.checkpoint(identity))


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A benchmark that failed or was skipped by its author is a cell too, with the reason."""
    report = yield
    session = item.config.stash.get(_session_key, None)
    if session is None:
        return report
    if call.when == "call" and PLAIN in _fixtures(item) and report.passed:
        benchmarks = getattr(getattr(item.config, "_benchmarksession", None), "benchmarks", [])
        session.keep_plain(benchmarks, item.nodeid)
    if PAIR in _fixtures(item) and call.excinfo is not None:
        told = str(call.excinfo.value).strip().splitlines()[:1]
        error = "" if call.excinfo.errisinstance(pytest.fail.Exception) else f": {call.excinfo.typename}"
        kind = "skipped" if report.skipped else f"failed{error}"
        with suppress(HarnessError):  # a cell without a proper declaration is only a failed test
            session.note(_identity(item), ": ".join([kind, *told]))
    return report


def pytest_runtest_setup(item: pytest.Item) -> None:
    session = item.config.stash.get(_session_key, None)
    if session is not None and item.nodeid in session.plain:
        pytest.skip("measured before this run was interrupted")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    if config.option.collectonly or _collected_key not in config.stash:
        return
    if _session_key not in config.stash:
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and config.stash[_collected_key]:
            session.exitstatus = EXIT_NOTHING_MEASURED
            rows = ", ".join(_matrix(config).rows)
            config.stash[_closing_key] = [f"nothing was selected, so nothing was measured; rows: {rows}"]
        return
    run = config.stash[_session_key]
    if exitstatus not in ENDED:
        again = f"interrupted; finished cells are kept: continue with --resume {run.run['id']}"
        config.stash[_closing_key] = [again]
        return
    from harness.finish import finish

    try:
        closing, code = finish(run, _seen(config), session.testsfailed, _has_color(config))
    except HarnessError as error:
        closing, code = [error.message], error.exit_code
    config.stash[_closing_key] = closing
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


def _identity(item: pytest.Item) -> Identity:
    from harness.pair import Identity
    from harness.provenance import benchmark_hash
    from harness.results.records import plain

    optimization = _optimization(item)
    if optimization is None:
        raise HarnessError("the ab fixture needs OPTIMIZATION = Optimization(...)", where=item.path.name)
    params = dict(item.callspec.params)  # type: ignore[attr-defined]
    row = params.pop("hardware")
    source = item.path.read_text(encoding="utf-8")
    return Identity(item.nodeid, optimization, row, plain(params, item.nodeid), benchmark_hash(source))


def _optimization(item: pytest.Item) -> Optimization | None:
    found = getattr(getattr(item, "module", None), "OPTIMIZATION", None)
    return found if isinstance(found, Optimization) else None


def _settings(config: pytest.Config) -> Settings:
    forwarded = ["--rootdir", str(config.rootpath), "-m", "", "-k", ""]
    if config.inipath is not None:
        forwarded += ["-c", str(config.inipath)]
    for override in config.option.override_ini or ():
        forwarded += ["-o", override]
    for plugin in config.option.plugins or ():
        forwarded += ["-p", plugin]
    command = ("pytest", *map(str, config.invocation_params.args))
    return settings_of(config.option, config.rootpath, _matrix(config).path, command, forwarded)


def _matrix_path(config: pytest.Config) -> Path | None:
    if config.option.matrix:
        return config.invocation_params.dir / str(config.option.matrix)
    found = config.rootpath / MATRIX_FILE
    return found if found.exists() else None


def _matrix(config: pytest.Config) -> Matrix:
    return config.stash[_matrix_key]


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return getattr(item, "fixturenames", ())


def _param(item: pytest.Item, name: str) -> Any:
    callspec = getattr(item, "callspec", None)
    return callspec.params[name] if callspec is not None else None


def _requires(item: pytest.Item) -> Requires:
    optimization = _optimization(item)
    return Requires() if optimization is None else optimization.requires


def _seen(config: pytest.Config) -> Seen:
    """What was looked at: a benchmark outside of it cannot be said to have vanished."""
    from harness.finish import Seen

    option = config.option
    cut = (getattr(option, name, None) for name in ("lf", "ignore", "ignore_glob", "deselect", "stepwise"))
    arguments = [] if any(cut) else [str(argument) for argument in config.args]
    asked = asked_prefixes(arguments, config.invocation_params.dir, config.rootpath)
    collected = config.stash[_collected_key]
    unseen = config.stash.get(_unseen_key, None) or []
    return Seen(collected, asked, unseen)


def _show_progress(config: pytest.Config, nodeid: str, done: int, total: int, left_s: float) -> None:
    from harness.render import progress_line

    if config.option.verbose >= 0:
        _write_lines(config, [progress_line(done, total, left_s, nodeid)])


def _write_lines(config: pytest.Config, lines: Sequence[str]) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if reporter is not None and capture is not None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            for line in lines:
                reporter.write_line(line)


def _has_color(config: pytest.Config) -> bool:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return bool(reporter is not None and reporter.hasmarkup)


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Show a user's mistake as pytest shows its own: one line, exit code 4."""
    try:
        yield
    except HarnessError as error:
        if error.exit_code == EXIT_BAD_INPUT:
            raise pytest.UsageError(error.message) from None
        pytest.exit(error.message, returncode=error.exit_code)
