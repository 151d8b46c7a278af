"""Which examples a run learns from, chooses by and reports on."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.models.embedded import project_root
from harness.prompts.examples import ExampleSet, read_examples
from harness.prompts.rules import split_set
from harness.prompts.sizing import EFFECT, detectable_effect, explain_split, split_three

SHIPPED = Path("fixtures/prompts")
PARTS = ("train", "validation", "test")
LEAST_EFFECT = 0.001


@dataclass(frozen=True, slots=True)
class Data:
    """Three sets of one kind that share no text; `origin` says how they were made."""

    train: ExampleSet
    validation: ExampleSet
    test: ExampleSet
    origin: str

    @property
    def known(self) -> ExampleSet:
        """All of them, in this order."""
        every = self.train.examples + self.validation.examples + self.test.examples
        return ExampleSet(self.train.types, every)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Examples to learn from, to choose by, to report on."""
        return len(self.train.examples), len(self.validation.examples), len(self.test.examples)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where examples come from."""
    group = parser.add_argument_group("examples", "one file that is split in three, or three files")
    group.add_argument("--examples", type=Path, metavar="FILE", help="JSON file, split by --seed")
    for part, text in zip(PARTS, ("to learn from", "to choose by", "to report on"), strict=True):
        group.add_argument(f"--{part}", type=Path, metavar="FILE", help=f"examples {text} [{SHIPPED}]")
    group.add_argument(
        "--effect", type=float, default=EFFECT, metavar="F1",
        help="difference that the split of --examples is to resolve [%(default)s]",
    )  # fmt: skip


def read_data(options: argparse.Namespace) -> Data:
    """The three sets that the options name; raises HarnessError for files that do not go together."""
    files = {part: getattr(options, part) for part in PARTS}
    if not LEAST_EFFECT <= options.effect <= 1.0:
        raise HarnessError(f"--effect is {options.effect:g}", allowed=f"{LEAST_EFFECT:g} to 1")
    if options.examples is not None:
        if any(files.values()):
            raise HarnessError(
                "--examples is split in three by itself", next_step="leave the other files out"
            )
        split = split_three(read_examples(options.examples), effect=options.effect, seed=options.seed)
        data = Data(split.train, split.validation, split.test, explain_split(split))
    else:
        data = _of_files(files)
    return _documented(data) if options.documented else data


def _of_files(files: dict[str, Path | None]) -> Data:
    missing = [part for part, path in files.items() if path is None]
    if 0 < len(missing) < len(files):
        raise HarnessError(
            f"--{missing[0]} is missing", allowed="all three of --train, --validation and --test, or none"
        )
    shipped = project_root() / SHIPPED
    paths = {part: path or shipped / f"{part}.json" for part, path in files.items()}
    sets = {part: read_examples(path) for part, path in paths.items()}
    seen: dict[str, str] = {}
    for part, examples in sets.items():
        if examples.types != sets["train"].types:
            raise HarnessError("has other entity types than the training examples", where=str(paths[part]))
        for each in examples.examples:
            if each.text in seen:
                raise HarnessError(
                    f"example {each.id} is in {seen[each.text]} too",
                    where=str(paths[part]),
                    next_step="a prompt is not judged on what it was made from: remove it from one of them",
                )
            seen[each.text] = str(paths[part])
    chosen, reported = (detectable_effect(len(sets[part].examples)) for part in PARTS[1:])
    sizes = ", ".join(f"{len(sets[part].examples):,} {part}" for part in PARTS)
    return Data(
        sets["train"], sets["validation"], sets["test"],
        f"{sizes}; they resolve {100 * chosen:.3g} and {100 * reported:.3g} points of F1",
    )  # fmt: skip


def _documented(data: Data) -> Data:
    """The document's split of what is not held out: 1 to 3 validation examples, the last ones."""
    every = data.train.examples + data.validation.examples
    train, validation = split_set(ExampleSet(data.train.types, every))
    sizes = f"{len(train.examples):,} train, {len(validation.examples):,} validation by the document's rule"
    resolved = 100 * detectable_effect(len(validation.examples))
    return Data(
        train, validation, data.test,
        f"{sizes}, {len(data.test.examples):,} test; validation resolves {resolved:.3g} points of F1",
    )  # fmt: skip
