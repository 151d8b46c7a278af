"""The run log: one JSON line for each optimization run, and the table that prompt-optimizers.md keeps."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from harness.render import numbers
from harness.render.tables import Table, percent_text

Provenance = Literal["measured", "modelled", "quoted"]
ScoredOn = Literal["test", "validation"]

FORMAT = 1
HEAD = ("Date", "Optimizer", "Examples", "Mode", "Time", "Baseline", "Optimized", "Notes")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class LoggedScore:
    """F1 as a share, with its interval where there is one."""

    f1: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One run. `scored_on` says which examples both scores are of; held-out ones are `test`.

    `weights` and `compute` are the dtypes the weights are kept in and computed with, which are two things.
    `place` is "local" or "remote", `seconds` the wall time.
    """

    date: str
    optimizer: str
    train: int
    validation: int
    test: int
    place: str
    weights: str
    compute: str
    hardware: str
    seconds: float
    baseline: LoggedScore
    optimized: LoggedScore
    scored_on: ScoredOn = "test"
    provenance: Provenance = "measured"
    notes: str = ""
    seed: int | None = None
    metric_calls: int | None = None
    fingerprint: Mapping[str, str] = field(default_factory=dict)


DOCUMENTED = Entry(
    date="2025-11-25",
    optimizer="extract_nodes",
    train=2,
    validation=1,
    test=0,
    place="remote",
    weights="FP8",
    compute="BF16",
    hardware="L4",
    seconds=3600.0,
    baseline=LoggedScore(0.667),
    optimized=LoggedScore(0.667),
    scored_on="validation",
    provenance="quoted",
    notes="FP8, pre-dynamic threads, 20 threads hardcoded",
)
"""The row of prompt-optimizers.md. Its mode says BF16, what was computed with; its note FP8, the weights."""


def log_table(entries: Sequence[Entry]) -> Table:
    """The documented columns, the documented row first, then `entries` in their order.

    Scores are percent as there, with an interval where one was measured.
    """
    rows = tuple(
        (
            entry.date,
            entry.optimizer,
            _examples(entry),
            _mode(entry),
            _time(entry.seconds),
            _percent(entry.baseline),
            _percent(entry.optimized),
            _notes(entry),
        )
        for entry in (DOCUMENTED, *entries)
    )
    return Table(HEAD, rows, frozenset({0, 1, 2, 3, 7}))


def _examples(entry: Entry) -> str:
    """`3 (2t/1v)`, and the held-out ones where there are any: `60 (30t/30v) + 30 test`."""
    text = f"{entry.train + entry.validation} ({entry.train}t/{entry.validation}v)"
    return f"{text} + {entry.test} test" if entry.test else text


def _mode(entry: Entry) -> str:
    dtypes = [f"{entry.weights} weights"] * bool(entry.weights) + [f"{entry.compute} compute"] * bool(
        entry.compute
    )
    return "/".join(part for part in (entry.place, *dtypes, entry.hardware) if part)


def _time(seconds: float) -> str:
    """`60m`, `3m 12s`, `42s`."""
    if seconds < 60:
        return f"{seconds:.0f}s" if seconds >= 10 else f"{numbers.significant(seconds)}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest}s" if rest else f"{minutes}m"


def _percent(score: LoggedScore) -> str:
    text = f"{percent_text(score.f1)}%"
    if score.low is None or score.high is None:
        return text
    return f"{text} [{percent_text(score.low)}, {percent_text(score.high)}]"


def _notes(entry: Entry) -> str:
    on = "" if entry.scored_on == "test" else f", scored on {entry.scored_on} examples"
    return f"{entry.provenance}{on}{'; ' * bool(entry.notes)}{entry.notes}"


# --- lines ---


def entry_line(entry: Entry) -> bytes:
    """The entry as one line of JSON, ASCII, with its line break; raises ValueError for what no entry is."""
    document = {"format": FORMAT, **asdict(entry)}
    entry_from(document)
    return json.dumps(document, allow_nan=False).encode("ascii") + b"\n"


def entry_from(document: Any) -> Entry:
    """The entry that `entry_line` wrote; raises ValueError, which says what is wrong, for anything else."""
    if not isinstance(document, Mapping):
        raise ValueError("an entry is a JSON object")
    given = dict(document)
    if given.pop("format", None) != FORMAT:
        raise ValueError(f"`format` is {document.get('format')!r}, {FORMAT} is known")
    names = {each.name for each in fields(Entry)}
    required = {"date", "optimizer", "train", "validation", "test", "place", "weights", "compute", "hardware"}
    required |= {"seconds", "baseline", "optimized"}
    _refuse(sorted(given.keys() - names), "is no field of an entry")
    _refuse(sorted(required - given.keys()), "is missing")
    for name in ("baseline", "optimized"):
        given[name] = _score_from(name, given[name])
    entry = Entry(**given)
    _check(entry)
    return entry


def _check(entry: Entry) -> None:
    texts = ("date", "optimizer", "place", "weights", "compute", "hardware", "notes")
    _refuse([name for name in texts if not isinstance(getattr(entry, name), str)], "is no text")
    if not _DATE.fullmatch(entry.date):
        raise ValueError(f"`date` is {entry.date!r}, wanted like 2025-11-25")
    counts = [name for name in ("train", "validation", "test") if not _is_count(getattr(entry, name))]
    counts += [
        name
        for name in ("seed", "metric_calls")
        if getattr(entry, name) is not None and not _is_count(getattr(entry, name))
    ]
    _refuse(counts, "is no count")
    if not _is_number(entry.seconds) or entry.seconds < 0.0:
        raise ValueError("`seconds` is no duration")
    if entry.scored_on not in get_args(ScoredOn):
        raise ValueError(f"`scored_on` is one of {', '.join(get_args(ScoredOn))}")
    if entry.provenance not in get_args(Provenance):
        raise ValueError(f"`provenance` is one of {', '.join(get_args(Provenance))}")
    parts = entry.fingerprint
    if not isinstance(parts, Mapping) or not all(isinstance(value, str) for value in parts.values()):
        raise ValueError("`fingerprint` is texts by name")


def _score_from(name: str, given: Any) -> LoggedScore:
    if not isinstance(given, Mapping) or not {"f1"} <= given.keys() <= {"f1", "low", "high"}:
        raise ValueError(f"`{name}` is an object with f1, and low and high where there is an interval")
    score = LoggedScore(**given)
    ends = (score.low, score.high)
    if ends == (None, None):
        ends = (0.0, 1.0)
    if not all(_is_number(value) for value in (score.f1, *ends)):
        raise ValueError(f"`{name}` holds something that is no number")
    low, high = ends
    assert low is not None
    assert high is not None
    if not 0.0 <= low <= score.f1 <= high <= 1.0:
        raise ValueError(f"`{name}` is no share inside its interval")
    return score


def _refuse(names: Sequence[str], what: str) -> None:
    if names:
        raise ValueError(f"`{names[0]}` {what}")


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300
