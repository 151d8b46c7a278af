"""The options of `harness extract`, and the settings that they mean."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from harness.errors import HarnessError
from harness.extraction.documented.settings import PRESETS, preset
from harness.extraction.documented.settings import Settings as Documented
from harness.extraction.pipeline.calibration import OF_EMBEDDED, SHIPPED, Calibration, read_calibration
from harness.extraction.pipeline.settings import Settings as Ours
from harness.extraction.reading.opening import EMBEDDED, FORMATS, Choice

OURS = "ours"
STAGES = ("all", "preprocess", "extract", "report")
CACHE = Path("build/answers")
EMBEDDED_PROFILE: Mapping[str, float] = MappingProxyType(
    {"window_tokens": 320, "bundle_fields": 72, "overlap_tokens": 0, "adaptive": False, "budget_calls": 3000}
)
"""The embedded model says of each line what it states, whatever is asked: all text is read, once."""

_OURS_ALONE = ("budget_calls", "window_tokens", "bundle_fields")
_DOCUMENTED_ALONE = (
    "section_passes", "deep_fields", "skip_verification", "groups", "retriever", "embedder",
    "flash_attention",
)  # fmt: skip


def add_options(parser: argparse.ArgumentParser) -> None:
    """Everything; `run` is set by the command."""
    parser.add_argument("root", type=Path, metavar="DIR", help="a folder with one folder for each company")
    parser.add_argument("--company", nargs="+", action="extend", metavar="NAME", help="only these companies")
    parser.add_argument(
        "--stage", choices=STAGES, default="all",
        help="preprocess: only read the files; report: only compare --output with --golden [%(default)s]",
    )  # fmt: skip
    parser.add_argument("--plan-only", action="store_true", help="print calls, tokens, minutes; ask nothing")
    _pipeline_options(parser)
    _reader_options(parser)
    group = parser.add_argument_group("files")
    group.add_argument("--output", type=Path, default=Path("reports/extraction"), metavar="DIR")
    group.add_argument("--resume", action="store_true", help="go on with the run in --output")
    group.add_argument("--cache", type=Path, metavar="DIR", help=f"answers of earlier runs [{CACHE}]")
    group.add_argument("--no-cache", action="store_true", help="ask for every answer anew")
    group.add_argument("--golden", type=Path, metavar="CSV", help="right values, for a quality report")


def _pipeline_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("pipeline")
    group.add_argument(
        "--pipeline", choices=(OURS, *PRESETS), default=OURS,
        help="ours, or the documented one by a preset [%(default)s]",
    )  # fmt: skip
    group.add_argument("--budget-calls", type=int, metavar="N", help="ours: most calls for a company")
    group.add_argument("--window-tokens", type=int, metavar="N", help="ours: most text shown at once")
    group.add_argument("--bundle-fields", type=int, metavar="N", help="ours: most fields asked for at once")
    group.add_argument(
        "--calibration", type=Path, metavar="FILE", help="ours: table of confidences [fitted to the reader]"
    )
    documented = parser.add_argument_group("documented pipeline", "over the preset")
    documented.add_argument("--section-passes", type=int, metavar="N", help="per group; -1: no cap")
    documented.add_argument("--deep-fields", type=int, metavar="N", help="per facility; -1: no cap")
    documented.add_argument("--skip-verification", action="store_true")
    documented.add_argument("--groups", type=int, choices=(8, 12, 13))
    documented.add_argument("--retriever", choices=("bm25", "embedding", "hybrid"))
    documented.add_argument("--flash-attention", action="store_true", help="needs an engine that has it")


def _reader_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("reader")
    group.add_argument(
        "--reader", default=EMBEDDED, metavar="NAME",
        help="embedded, a checkpoint folder or GGUF file, endpoint (OPENAI_BASE_URL, OPENAI_API_KEY), a URL, "
        "replay, or, for companies with a truth.json, perfect and noisy [%(default)s]",
    )  # fmt: skip
    group.add_argument("--format", choices=FORMATS, help="[what the model was made for, else sparse]")
    group.add_argument("--model", default="", metavar="NAME", help="a server's model [the first it lists]")
    group.add_argument("--dialect", default="openai", help="kind of server [%(default)s]")
    group.add_argument("--precision", default="Q8_0", metavar="NAME", help="of a local model [%(default)s]")
    group.add_argument("--engine", choices=("llama.cpp", "transformers"), default="llama.cpp")
    group.add_argument("--context-tokens", type=int, metavar="N")
    group.add_argument("--weights", default="", metavar="ID", help="which weights a server has")
    group.add_argument("--recording", type=Path, metavar="PATH", help="what replay replays")
    group.add_argument("--embedder", default="", metavar="MODEL", help="of --retriever embedding and hybrid")
    group.add_argument("--workers", type=int, default=4, metavar="N", help="calls open at once [%(default)s]")


def settings_of(options: argparse.Namespace) -> Ours | Documented:
    """Those of the pipeline that was asked for."""
    return our_settings(options) if options.pipeline == OURS else documented_settings(options)


def documented_settings(options: argparse.Namespace) -> Documented:
    """The preset with what was changed of it; raises HarnessError for options of ours."""
    settings = preset(options.pipeline)
    _refuse(options, _OURS_ALONE, "of our pipeline", f"--pipeline {OURS}")
    changes: dict[str, object] = {}
    for name in ("section_passes", "deep_fields"):
        value = getattr(options, name)
        if value is not None:
            changes[name] = None if value == -1 else value
    if options.skip_verification:
        changes["verification"] = False
    for name in ("groups", "retriever"):
        if getattr(options, name) is not None:
            changes[name] = getattr(options, name)
    if options.flash_attention:
        changes["flash_attention"] = True
    return replace(settings, **changes)  # type: ignore[arg-type]


def our_settings(options: argparse.Namespace) -> Ours:
    """Ours with what was changed; windows that the embedded model was trained on, where that one reads.

    Raises HarnessError for options of the documented pipeline.
    """
    allowed = f"--pipeline {' or '.join(PRESETS)}"
    _refuse(options, _DOCUMENTED_ALONE, "of the documented pipeline", allowed)
    changes: dict[str, float] = dict(EMBEDDED_PROFILE) if options.reader == EMBEDDED else {}
    for name in _OURS_ALONE:
        if getattr(options, name) is not None:
            changes[name] = getattr(options, name)
    return replace(Ours(), **changes)  # type: ignore[arg-type]


def _refuse(options: argparse.Namespace, names: Sequence[str], whose: str, allowed: str) -> None:
    """An option that would change nothing is a mistake."""
    for name in names:
        value = getattr(options, name)
        if value is not None and value is not False and value != "":  # 0 is a setting
            raise HarnessError(f"--{name.replace('_', '-')} is {whose}", allowed=allowed)


def calibration_of(options: argparse.Namespace) -> Calibration:
    """The table that was given, else the embedded model's own, else the one for readers nobody measured."""
    if options.calibration is not None:
        return read_calibration(options.calibration)
    return read_calibration(OF_EMBEDDED if options.reader == EMBEDDED else SHIPPED)


def choice_of(options: argparse.Namespace) -> Choice:
    """The reader that was asked for, without truths."""
    if options.workers < 1:
        raise HarnessError(f"--workers is {options.workers}", allowed="1 and more")
    return Choice(
        name=options.reader,
        format=options.format or "",
        recording=options.recording,
        model=options.model,
        precision=options.precision,
        engine=options.engine,
        dialect=options.dialect,
        context_tokens=options.context_tokens,
        weights=options.weights,
    )
