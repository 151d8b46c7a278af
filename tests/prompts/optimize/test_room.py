"""Whether a context has room for an instruction."""

from hypothesis import given
from hypothesis import strategies as st
from optimizer_trial import trial

from harness.engines.protocol import Message
from harness.errors import HarnessError
from harness.prompts.offline.engine import Conditions, ScriptedEngine
from harness.prompts.optimize.room import chat_tokens, count_tokens, room_for
from harness.prompts.program import NAMES_BY_TYPE


class Wordless(ScriptedEngine):
    def tokenize(self, text: str) -> list[int]:
        raise HarnessError("a server that counts no tokens")


@given(st.integers(0, 400), st.integers(50, 400))
def test_what_fits_leaves_room_for_an_answer(words: int, context: int) -> None:
    with trial(conditions=Conditions(context_tokens=context)) as made:
        fits = room_for(made.task_engine, NAMES_BY_TYPE, made.train)
        longest = max(len(each.text.split()) for each in made.train.examples)
        if fits("word " * words):
            assert words + 2 * longest <= context + 20
        else:
            assert words + 2 * longest > context - 60


def test_tokens_are_estimated_where_nobody_counts() -> None:
    engine = Wordless(lambda _: "", "wordless")
    assert count_tokens(engine, "abc" * 10) == 10
    assert chat_tokens(engine, (Message("system", "abcdef"), Message("user", "abc"))) == 3 + 2 * 16
    engine.close()
