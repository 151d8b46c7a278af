"""One run as it was asked for, everything chosen that was left open."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.prompts.command.data import Data, read_data
from harness.prompts.command.models import Choice, choose, where_it_runs
from harness.prompts.command.options import program_of, settings_of
from harness.prompts.command.threads import choose_threads
from harness.prompts.optimize.settings import Settings, settled
from harness.prompts.program import Program


@dataclass(frozen=True, slots=True)
class Job:
    """`program` is where it begins; `settings` are settled; `why_threads` says why `threads` are so many."""

    asked: argparse.Namespace
    data: Data
    choice: Choice
    program: Program
    settings: Settings
    threads: int
    why_threads: str

    @property
    def is_stock(self) -> bool:
        """Whether stock dspy.GEPA optimizes."""
        return bool(self.asked.optimizer == "dspy")

    @property
    def folder(self) -> Path:
        """Where everything is written."""
        folder: Path = self.asked.output
        return folder

    @property
    def row(self) -> str:
        """The hardware row that the task model runs on, as far as anyone says."""
        return str(self.asked.row or ("unknown" if self.asked.remote else "cpu"))

    @property
    def facts(self) -> Mapping[str, str]:
        """What decided the figures, by name."""
        place, model = where_it_runs(self.choice)
        return {
            "optimizer": "stock dspy.GEPA" if self.is_stock else "harness",
            "task model": f"{model or 'the first that the server lists'} ({place})",
            "reflection model": str(self.asked.reflection_model),
            "hardware row": self.row,
            "examples": self.data.origin,
            "training examples": self.data.train.digest,
            "validation examples": self.data.validation.digest,
            "test examples": self.data.test.digest,
            "seed": str(self.settings.seed),
            "threads": f"{self.threads}: {self.why_threads}",
            "proposals side by side": str(self.settings.proposals),
            "metric calls": f"{self.settings.metric_calls:,} budgeted",
        }


def job_of(asked: argparse.Namespace) -> Job:
    """The run that the options ask for; raises HarnessError for what cannot be."""
    data, choice = read_data(asked), choose(asked)
    threads, why = choose_threads(asked, choice.task, data)
    program = program_of(asked, choice.form, data.train.types)
    train, validation, _ = data.sizes
    settings = settled(settings_of(asked, validation), train, threads)
    return Job(asked, data, choice, program, settings, threads, why)
