"""The `harness` command: everything that is not measuring. Exit codes are in docs/exit-codes.md."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from harness.engines.protocol import EngineFailure
from harness.errors import (
    EXIT_BAD_INPUT,
    EXIT_DONE,
    EXIT_INFRASTRUCTURE,
    EXIT_PARTLY_DONE,
    HarnessError,
)

if TYPE_CHECKING:
    from harness.measure.outcome import Cell

MATRIX_FILE = "hardware_matrix.toml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; a mistake is one line on stderr and its exit code, never a traceback."""
    words = sys.argv[1:] if arguments is None else arguments
    _prepare_streams()
    goes_on = ""
    try:
        options = _parser(next(iter(words), "")).parse_args(words)
        goes_on = getattr(options, "goes_on", "")
        code: int = options.run(options)
        sys.stdout.flush()
    except HarnessError as error:
        return _failed(error.message, error.exit_code)
    except EngineFailure as failure:
        return _failed(str(failure), EXIT_INFRASTRUCTURE)
    except KeyboardInterrupt:
        return _failed(f"interrupted before the end{goes_on}", EXIT_PARTLY_DONE)
    except BrokenPipeError:
        _discard_output()
        return EXIT_PARTLY_DONE  # whoever reads the output has seen enough
    except (
        FileNotFoundError,
        NotADirectoryError,
        IsADirectoryError,
        FileExistsError,
        PermissionError,
    ) as error:
        return _failed(str(error), EXIT_BAD_INPUT)  # a path that was named and cannot be used
    except OSError as error:
        _discard_output()
        return _failed(str(error), EXIT_INFRASTRUCTURE)
    return code


def _failed(message: str, code: int) -> int:
    sys.stderr.write(f"harness: {message}\n")
    return code


def _prepare_streams() -> None:
    """Python has None for a closed stream; names may hold characters that the terminal's encoding lacks."""
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Python would try to write the rest once more when it ends."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse itself would print the usage and leave with 2
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser(asked: str) -> argparse.ArgumentParser:
    """All commands; those that bring a system or an engine along, in full only where they are asked for."""
    parser = _Parser(prog="harness", description="Before/after benchmarks of LLM optimizations.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    report = commands.add_parser("report", help="merge runs, also from several machines, into one report")
    report.add_argument("runs", nargs="+", metavar="RUN", help="run id, its beginning, a path, or latest")
    report.add_argument("--output", type=Path, metavar="DIR", help="folder to write [merged in --report-dir]")
    report.set_defaults(run=_report)

    compare = commands.add_parser("compare", help="what changed from run A to run B")
    compare.add_argument("a", metavar="A")
    compare.add_argument("b", metavar="B")
    compare.set_defaults(run=_compare)

    doctor = commands.add_parser("doctor", help="this machine, its noise, and what is missing for which row")
    doctor.set_defaults(run=_doctor)

    selftest = commands.add_parser("selftest", help="plant slowdowns: does the rig see them, and only them?")
    selftest.add_argument("--short", action="store_true", help="3 trials a series instead of 20")
    selftest.add_argument("--clock", choices=("thread", "process", "wall"), default="thread")
    selftest.set_defaults(run=_selftest)

    matrix = commands.add_parser("matrix", help="check the hardware matrix and list its rows")
    matrix.set_defaults(run=_matrix)

    place = commands.add_parser("place", help="which GPUs serve which layers, for the cheapest token")
    if asked == "place":
        from harness.placement.command.place import add_options

        add_options(place)

    serve = commands.add_parser("serve", help="an OpenAI-compatible server on this machine")
    if asked == "serve":
        from harness.engines.serve import add_options as add_serve_options
        from harness.models.embedded import default_model
        from harness.models.gguf.quantize import quantize

        add_serve_options(serve, quantize, default_model)

    models = commands.add_parser("models", help="train, export, quantize, verify and compare small models")
    if asked == "models":
        from harness.models.command import add_options as add_models_options

        add_models_options(models)

    predict = commands.add_parser("predict", help="what an engine would do on any row, by the cost model")
    if asked == "predict":
        from harness.predict.command import add_options as add_predict_options

        add_predict_options(predict, _project() / MATRIX_FILE)

    prompts = commands.add_parser("optimize-prompt", help="a better instruction for entity extraction")
    if asked == "optimize-prompt":
        from harness.prompts.command.run import add_options as add_prompt_options

        add_prompt_options(prompts, _project() / MATRIX_FILE)

    extract = commands.add_parser("extract", help="facilities and their fields from companies' documents")
    if asked == "extract":
        from harness.extraction.command.extract import add_options as add_extract_options

        add_extract_options(extract)

    corpus = commands.add_parser("corpus", help="companies whose every field is known")
    if asked == "corpus":
        from harness.extraction.command.corpus import add_options as add_corpus_options

        add_corpus_options(corpus, _project() / MATRIX_FILE)

    detect = commands.add_parser("detect", help="hallucinations, from what happens inside the model")
    if asked == "detect":
        from harness.detection.command.detect import add_options as add_detect_options

        add_detect_options(detect, _runs_by_name, _project() / MATRIX_FILE)

    for command in (report, compare):
        command.add_argument(
            "--report-dir", type=Path, default=_project() / "reports", metavar="DIR",
            help=f"where run folders are [reports beside the nearest {MATRIX_FILE}, here or further up]",
        )  # fmt: skip
    for command in (doctor, matrix):
        command.add_argument(
            "--matrix", type=Path, default=_project() / MATRIX_FILE, metavar="FILE",
            help=f"hardware matrix [the nearest {MATRIX_FILE}, here or further up]",
        )  # fmt: skip
    return parser


def _project() -> Path:
    """The nearest folder from here upwards that has a hardware matrix, relative to here; else here."""
    here = Path.cwd()
    found = (folder for folder in (here, *here.parents) if (folder / MATRIX_FILE).is_file())
    return Path(os.path.relpath(next(found, here)))


def _runs_by_name(names: Sequence[str]) -> list[tuple[str, list[Cell]]]:
    """(id, cells) of each run in the report folder, or by path, oldest first."""
    from harness.results import cells_of, resolve_run
    from harness.results.compare import merge_documents, read_documents

    documents = read_documents([resolve_run(_project() / "reports", name) for name in names])
    return [(run["run"]["id"], cells_of(run)) for run in merge_documents(documents)["runs"]]


def _report(options: argparse.Namespace) -> int:
    from harness import render
    from harness.results import resolve_run, write_atomically
    from harness.results.compare import merge_documents, read_documents
    from harness.results.documents import json_text
    from harness.results.store import writing_to

    documents = read_documents([resolve_run(options.report_dir, name) for name in options.runs])
    merged = merge_documents(documents)
    folder: Path = options.output or options.report_dir / "merged"
    with writing_to(folder, "--output"):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "results.json", json_text(merged))
        write_atomically(folder / "summary.md", render.summary(merged["runs"]))
        write_atomically(folder / "index.html", render.page(merged["runs"]))
    sys.stdout.write(render.verdict_table(merged["runs"]) + f"\n\nreport: {folder / 'index.html'}\n")
    return EXIT_DONE


def _compare(options: argparse.Namespace) -> int:
    from harness.results import read_run, resolve_run
    from harness.results.compare import compare_runs

    a, b = (read_run(resolve_run(options.report_dir, name)) for name in (options.a, options.b))
    changes = compare_runs(a, b)
    sys.stdout.write(changes.to_string(index=False, na_rep="-", float_format="{:.4g}".format) + "\n")
    return EXIT_DONE


def _doctor(options: argparse.Namespace) -> int:
    from harness.doctor import examine
    from harness.hardware import load_matrix

    sys.stdout.write("\n".join(examine(load_matrix(options.matrix))) + "\n")
    return EXIT_DONE


def _selftest(options: argparse.Namespace) -> int:
    from harness.selftest import OVERHEAD_LIMIT, rig_overhead, selftest

    passed = True
    for series in selftest(options.clock, 3 if options.short else 20):
        sys.stdout.write(series.line() + "\n")
        sys.stdout.flush()
        passed = passed and series.passed
    overhead = rig_overhead()
    state = "ok" if overhead <= OVERHEAD_LIMIT else "FAILED"
    sys.stdout.write(f"{state:7}rig overhead on a ~2 ms arm: {overhead:+.2%} (limit {OVERHEAD_LIMIT:.0%})\n")
    passed = passed and overhead <= OVERHEAD_LIMIT
    return EXIT_DONE if passed else EXIT_PARTLY_DONE


def _matrix(options: argparse.Namespace) -> int:
    from harness.hardware import load_matrix

    matrix = load_matrix(options.matrix)
    for row in matrix.rows.values():
        sys.stdout.write(f"{row.name:<12}{row.title}\n")
    return EXIT_DONE
