import pytest

from harness.engines.llama_prompt import render_chat, schema_grammar
from harness.errors import HarnessError

TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content | tojson }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
HELLO = [{"role": "user", "content": "<é>"}]


def test_a_chat_is_what_the_template_writes() -> None:
    assert render_chat(TEMPLATE, HELLO, bos="<s>", eos="</s>") == '[user]"<é>"[assistant]'


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{% for %}", "chat template fails"),
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{{ messages[0].content.__class__.__mro__ }}", "unsafe"),
        ("{{ messages.append(1) }}", "unsafe"),
        ("{{ 1 / 0 }}", "division"),
        ("{{ messages[0].content + 1 }}", "chat template fails"),
    ],
)
def test_a_template_that_fails_or_reaches_out_is_one_clear_error(template: str, why: str) -> None:
    with pytest.raises(HarnessError, match=why):
        render_chat(template, HELLO, bos="", eos="")


def test_strings_of_a_schema_hold_no_control_characters() -> None:
    grammar = schema_grammar({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]})
    (rule,) = [line for line in grammar.splitlines() if line.startswith("char ::= ")]
    assert r"\x00-\x1F" in rule


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"type": "foo"}, "schema/type"),
        ({"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}}, "minimum"),
        ({"$ref": "https://example.org/schema"}, "no grammar"),
        ({"$ref": "#/$defs/missing"}, "no grammar"),
        ({"type": "string", "pattern": "abc"}, "no grammar"),
    ],
)
def test_a_schema_that_cannot_be_held_to_is_refused(schema: dict[str, object], where: str) -> None:
    with pytest.raises(HarnessError, match=where):
        schema_grammar(schema)


def test_a_property_may_be_called_like_a_keyword() -> None:
    schema = {
        "type": "object",
        "properties": {"minimum": {"enum": ["not", "if"]}},
        "required": ["minimum"],
    }
    assert "minimum" in schema_grammar(schema)
