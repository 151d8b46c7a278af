"""A run that was cut off is begun anew with its journal, comes to the same end and repeats no call."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optimizer_trial import NEVER, POOR, Trial, trial

from harness.calls.journal import Journal
from harness.engines.protocol import EngineFailure
from harness.errors import HarnessError
from harness.prompts.offline.engine import Conditions
from harness.prompts.offline.scripted import Precision
from harness.prompts.optimize.run import Optimized
from harness.prompts.optimize.settings import Settings, fingerprint, settled

SETTINGS = Settings(120, proposals=4, stopping=NEVER)
NOISE = Precision(dropped=0.2, mistyped=0.1, seed=3)


def opened(path: Path, made_for: Trial, chosen: Settings = SETTINGS) -> Journal:
    whole = settled(chosen, len(made_for.train.examples), made_for.task.threads)
    return Journal(path, fingerprint(whole, POOR, made_for.train, made_for.validation))


def run(path: Path, fails: object = (), threads: int = 4) -> tuple[Optimized | None, int, int]:
    """(result or None after a failure, calls that reached an engine, answers nobody asked for again)."""
    conditions = Conditions(fails=fails)  # type: ignore[arg-type]
    with trial() as shape, opened(path, shape) as journal:
        options = {"threads": threads, "precision": NOISE, "journal": journal}
        with trial(conditions=conditions, reflecting=conditions, **options) as made:  # type: ignore[arg-type]
            try:
                found: Optimized | None = made.optimize(SETTINGS)
            except EngineFailure:
                found = None
            return found, made.asked, journal.left()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 130), st.sampled_from([1, 4, 20]))
def test_killed_at_any_call_and_resumed(
    tmp_path_factory: pytest.TempPathFactory, call: int, threads: int
) -> None:
    folder = tmp_path_factory.mktemp("journals")
    whole, needed, _ = run(folder / "whole")
    first, _, _ = run(folder / "cut", fails={call}, threads=threads)
    kept = opened_answers(folder / "cut")
    second, asked, left = run(folder / "cut")
    assert whole is not None
    assert whole == (second or first)
    assert left == 0
    if first is None:
        assert kept + asked == needed
    third, again, _ = run(folder / "cut")
    assert (third, again) == (whole, 0)


def opened_answers(path: Path) -> int:
    with trial() as made, opened(path, made) as journal:
        return journal.kept


def test_a_changed_input_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with trial() as made:
        opened(path, made).close()
        with pytest.raises(HarnessError, match="seed was '0', is '1'"):
            opened(path, made, Settings(120, proposals=4, seed=1))
        opened(path, made, Settings(500, proposals=4)).close()
    with trial(threads=20) as made, pytest.raises(HarnessError, match="proposals side by side"):
        opened(path, made, Settings(120))
