"""The options of `harness place`, and which of them contradict each other."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.errors import HarnessError
from harness.placement.output.vllm_launch import GPUS_PER_MACHINE

# The links of a problem are a table of types by types.
_MOST_MADE_UP = 1000

_GOALS = ("budget", "min_tokens_per_s", "cost_weight")
_LIMITS = ("max_prefill_s", "max_stages", "single_type", "uniform_tp", "contiguous")
_GENERATOR = ("types", "seed", "layers", "gpus_per_type")
_SHOWN = ("ratio_only", "plot", "emit", "check")
_KINDS = ("compare", "audit", "demand", "explain")
_ANSWERS = (*_GOALS, *_LIMITS, *_SHOWN, *_KINDS, "config_dir", "sizes", "json", "time_limit", "gap")

# (option, its values or none for any, options that make no sense beside it)
_CONTRADICTIONS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("generate", (), _ANSWERS),
    ("rules", ("documented",), ("generate",)),
    ("method", ("weighted", "enumeration"), ("generate",)),
    ("cost_weight", (), ("budget", "min_tokens_per_s")),
    ("ratio_only", (), (*_GOALS, *_LIMITS, "plot")),
    ("rules", ("documented",), (*_LIMITS, "ratio_only", "check", "demand", "explain")),
    ("method", ("weighted", "enumeration"), ("budget", "min_tokens_per_s", *_LIMITS, *_SHOWN, *_KINDS)),
    ("method", ("enumeration",), ("cost_weight",)),
    ("compare", (), ("budget", "min_tokens_per_s", *_LIMITS, *_SHOWN, "audit", "demand", "explain")),
    ("audit", (), (*_GOALS, *_LIMITS, *_SHOWN, "demand", "explain")),
    ("demand", (), (*_GOALS, "contiguous", *_SHOWN, "explain")),
    ("explain", (), (*_LIMITS, "ratio_only", "emit")),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """All options of the command."""
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="the problem's folder")
    _model_options(parser.add_argument_group("model"))
    _goal_options(parser.add_argument_group("goal", "the cheapest token, unless one of these is given"))
    _limit_options(parser.add_argument_group("limits"))
    _method_options(parser.add_argument_group("method"))
    _output_options(parser.add_argument_group("output"))
    _generator_options(parser.add_argument_group("a made-up problem instead of an answer"))


def _model_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--rules", choices=("corrected", "documented"), default="corrected",
        help="documented: with the published solver's defects [corrected]",
    )  # fmt: skip
    group.add_argument(
        "--rates", default="documented", metavar="documented|corrected|FILE",
        help="how fast a stage is; FILE: measured, one row per stage [documented]",
    )  # fmt: skip
    group.add_argument(
        "--sizes", metavar="all|coarse|fine|N,N",
        help="how many layers a stage may hold [the config's, else all; documented rules: the config's]",
    )  # fmt: skip


def _goal_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--budget", type=_positive, metavar="USD_PER_HOUR", help="the fastest plan within it")
    group.add_argument(
        "--min-tokens-per-s", type=_positive, metavar="T",
        help="the cheapest plan at this throughput or more; with --budget, the cheapest token between both",
    )  # fmt: skip
    group.add_argument(
        "--cost-weight", type=_share, metavar="W",
        help="throughput less cost, from 0 (throughput alone) to 1 (cost alone)",
    )  # fmt: skip


def _limit_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--max-prefill-s", type=_positive, metavar="S", help="seconds of one prompt through all stages"
    )
    group.add_argument("--max-stages", type=_count, metavar="N", help="pipeline stages")
    group.add_argument("--single-type", action="store_true", help="all stages on one GPU type")
    group.add_argument("--uniform-tp", action="store_true", help="all stages at one tensor-parallel size")
    group.add_argument(
        "--contiguous", action="store_true", help="stages of one GPU type stand next to each other"
    )


def _method_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--method", choices=("exact", "weighted", "enumeration"), default="exact",
        help="weighted and enumeration: the documented ones, by MILP [exact]",
    )  # fmt: skip
    group.add_argument(
        "--compare", action="store_true", help="both documented methods, with the exact optimum beside them"
    )
    group.add_argument(
        "--audit", action="store_true", help="what each cause costs from the documented method to the optimum"
    )
    group.add_argument(
        "--explain",
        action="store_true",
        help="why this plan: what binds, what a GPU is worth, what if one fails",
    )
    group.add_argument(
        "--demand",
        type=_positive,
        metavar="TOKENS_PER_S",
        help="the cheapest fleet of replicas that serves it",
    )
    group.add_argument(
        "--ratio-only", action="store_true", help="the cheapest token alone, without the front"
    )
    group.add_argument(
        "--time-limit", type=_positive, metavar="S", help="for each MILP [the config's; none with --demand]"
    )
    group.add_argument(
        "--gap", type=_share, metavar="G", help="relative gap at which a MILP ends [the config's]"
    )


def _output_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--json", action="store_true", help="one JSON document instead of text")
    group.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the front into this file")
    group.add_argument(
        "--emit", choices=("vllm",), help="the commands that launch the plan, or why one launch cannot"
    )
    group.add_argument(
        "--gpus-per-machine", type=_count, metavar="N",
        help=f"for --emit: how many GPUs one machine has [{GPUS_PER_MACHINE}]",
    )  # fmt: skip
    group.add_argument(
        "--check", nargs="?", type=Path, const=Path(), metavar="RESULT.json",
        help="check plans and proof with an independent solver: the answer's, or those of a --json document",
    )  # fmt: skip


def _generator_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--generate", type=Path, metavar="DIR", help="write one into this new folder")
    group.add_argument("--types", type=_few, metavar="N", help="GPU types [5]")
    group.add_argument("--seed", type=_seed, metavar="S", help="same seed, same problem [0]")
    group.add_argument("--layers", type=_few, metavar="L", help="layers of its 140 GB model [80]")
    group.add_argument("--gpus-per-type", type=_span, metavar="LOW-HIGH", help="GPUs of each type [4-24]")


def refuse_contradictions(options: argparse.Namespace) -> None:
    """HarnessError for the first two options given that exclude each other, or one that is missing."""
    if options.config_dir is None and options.generate is None:
        raise HarnessError(
            "the following arguments are required: --config-dir", next_step="see harness place --help"
        )
    if options.generate is None:
        for name in _GENERATOR:
            if _given(options, name):
                raise HarnessError(f"{_spelled(name)} makes sense with --generate only")
    for name, values, others in _CONTRADICTIONS:
        value = getattr(options, name)
        if not _given(options, name) or (values and value not in values):
            continue
        for other in others:
            if _given(options, other):
                first = _spelled(name) + (f" {value}" if values else "")
                raise HarnessError(f"{first} and {_spelled(other)} exclude each other")
    if options.gpus_per_machine is not None and options.emit is None:
        raise HarnessError("--gpus-per-machine makes sense with --emit only")
    if options.check not in (None, Path()):
        for other in ("plot", "emit", "explain"):
            if _given(options, other):
                raise HarnessError(f"--check RESULT.json and {_spelled(other)} exclude each other")
    milp = options.method != "exact" or options.compare
    for name, needed in (("gap", milp), ("time_limit", milp or options.demand is not None)):
        if _given(options, name) and not needed:
            raise HarnessError(
                f"{_spelled(name)} has no meaning for the exact method, which always ends proven"
            )


def _given(options: argparse.Namespace, name: str) -> bool:
    value = getattr(options, name)
    return value is not None and value is not False  # 0 is a value


def _spelled(name: str) -> str:
    return "--" + name.replace("_", "-")


def _number(text: str, low: float, high: float, allowed: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed ({allowed})")
    return value


def _positive(text: str) -> float:
    return _number(text, 5e-324, sys.float_info.max, "a number above 0")


def _share(text: str) -> float:
    return _number(text, 0, 1, "a number from 0 to 1")


def _count(text: str) -> int:
    return _whole(text, sys.maxsize, "a whole number, 1 or more")


def _few(text: str) -> int:
    return _whole(text, _MOST_MADE_UP, f"a whole number from 1 to {_MOST_MADE_UP:,}")


def _whole(text: str, most: int, allowed: str) -> int:
    value = _number(text, 1, most, allowed)
    if value != int(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed ({allowed})")
    return int(value)


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed (a whole number, 0 or more)")
    return int(text)


def _span(text: str) -> tuple[int, int]:
    low, dash, high = text.partition("-")
    if not (low.isascii() and low.isdigit()) or (dash and not (high.isascii() and high.isdigit())):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed (two whole numbers, as 4-24)")
    return _few(low), _few(high if dash else low)
