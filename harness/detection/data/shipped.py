"""The committed sample: what the embedded model `answers` said to questions whose context contradicts it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from harness.detection.data.ragtruth import RESPONSES, SOURCES, read_ragtruth, write_ragtruth
from harness.detection.data.responses import Response
from harness.detection.data.synthetic import SOURCE, Answer, Variant, answered
from harness.engines.protocol import Engine, Message, Request, Sampling
from harness.models.embedded import model_folder, project_root
from harness.models.tasks.answers import SYSTEM

FOLDER = Path("fixtures/detection")
MODEL = "answers"
SEED, PER_TASK = 7, 80
SAMPLING = Sampling(max_tokens=24)


def shipped(variant: Variant) -> tuple[Response, ...]:
    """The committed responses of a variant."""
    folder = project_root() / FOLDER / variant
    return read_ragtruth(folder / RESPONSES, folder / SOURCES)


def write_shipped(folder: Path | None = None) -> None:
    """Ask the model again and write both variants; about two minutes, and the same bytes each time."""
    from harness.calls.opening import Local, opened

    count = token_counter()
    # one request at a time: sums of a batch are rounded in another order
    with opened(Local(MODEL, "BF16"), 1) as model:
        answer = answers_of(model.engine)
        for variant in get_args(Variant):
            made = answered(SEED, variant, PER_TASK, answer, MODEL, count)
            write_ragtruth((folder or project_root() / FOLDER) / variant, made.responses, made.infos, SOURCE)


def answers_of(engine: Engine) -> Answer:
    """Greedy answers of an engine to user messages."""

    def answer(prompts: Sequence[str]) -> list[str]:
        tickets = [
            engine.submit(Request((Message("system", SYSTEM), Message("user", prompt)), SAMPLING))
            for prompt in prompts
        ]
        return [ticket.result().text for ticket in tickets]

    return answer


def token_counter() -> Any:
    """Tokens of a text by the embedded model's tokenizer."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_folder(MODEL))
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])
