"""RAGTruth's files: what was written is read, and every broken rule is named with its place."""

import json

import pytest

from harness.detection.data.ragtruth import RESPONSES, SOURCES, context_of, read_ragtruth, write_ragtruth
from harness.detection.data.synthetic import planted
from harness.errors import HarnessError


@pytest.fixture
def files(tmp_path):
    """Both files of a small set, as lists of lines."""
    made = planted(3, "confounded", 10)
    write_ragtruth(tmp_path, made.responses, made.infos, "generated")
    return tmp_path


def test_what_was_written_is_read(files):
    made = planted(3, "confounded", 10)
    assert read_ragtruth(files / RESPONSES, files / SOURCES) == made.responses
    before = (files / RESPONSES).read_bytes()
    write_ragtruth(files, made.responses, made.infos, "generated")
    assert (files / RESPONSES).read_bytes() == before


def test_the_context_is_found_in_the_prompt(files):
    for response in read_ragtruth(files / RESPONSES, files / SOURCES):
        start, end = response.context
        assert response.prompt[end:].startswith("\nQuestion: ")
        assert "Question" not in response.prompt[start:end]
    assert context_of("Summary", "not there", "a prompt") == (0, 8)


def change(folder, name, number, key, value):
    path = folder / name
    lines = path.read_text().splitlines()
    document = json.loads(lines[number])
    of_label = ("start", "end", "text", "label_type", "implicit_true")
    target = document["labels"][0] if key in of_label else document
    if value is None:
        del target[key]
    else:
        target[key] = value
    lines[number] = json.dumps(document)
    path.write_text("\n".join(lines) + "\n")


def hallucinated(folder):
    lines = (folder / RESPONSES).read_text().splitlines()
    return next(number for number, line in enumerate(lines) if json.loads(line)["labels"])


@pytest.mark.parametrize(
    ("name", "key", "value", "says"),
    [
        (RESPONSES, "start", 99, "is no stretch of the response"),
        (RESPONSES, "end", 0, "is no stretch of the response"),
        (RESPONSES, "text", "other", "`text` is not what the response has there"),
        (RESPONSES, "label_type", "Wrong", "`label_type` is 'Wrong'"),
        (RESPONSES, "split", "dev", "`split` is 'dev' (allowed: train, test)"),
        (RESPONSES, "quality", "bad", "`quality` is 'bad'"),
        (RESPONSES, "temperature", "0", "`temperature` is no number"),
        (RESPONSES, "temperature", float("nan"), "`temperature` is no number"),
        (RESPONSES, "temperature", 10**400, "`temperature` is no number"),
        (RESPONSES, "implicit_true", "false", "`implicit_true` and `due_to_null` are true or false"),
        (RESPONSES, "response", 7, "`response` is no text"),
        (RESPONSES, "response", "a\ud800", "`response` holds half of a surrogate pair"),
        (RESPONSES, "id", "\udfff", "`id` holds half of a surrogate pair"),
        (SOURCES, "prompt", "why\ud800", "`prompt` holds half of a surrogate pair"),
        (RESPONSES, "labels", {}, "`labels` is no list"),
        (RESPONSES, "model", None, "`model` is missing"),
        (RESPONSES, "source_id", "nobody", "source_id 'nobody' is not in"),
        (SOURCES, "task_type", "Chat", "`task_type` is 'Chat' (allowed: QA, Data2txt, Summary)"),
        (SOURCES, "source_info", 3, "`source_info` of a"),
        (SOURCES, "prompt", " ", "`prompt` is empty"),
    ],
)
def test_a_broken_rule_is_named_with_its_place(files, name, key, value, says):
    number = hallucinated(files) if name == RESPONSES else 0
    change(files, name, number, key, value)
    with pytest.raises(HarnessError) as raised:
        read_ragtruth(files / RESPONSES, files / SOURCES)
    assert says in str(raised.value)
    assert f"{name}, line {number + 1}" in str(raised.value)


def test_lines_that_are_no_json_and_ids_that_come_twice(files):
    lines = (files / RESPONSES).read_text()
    (files / RESPONSES).write_text(lines + lines.splitlines()[0] + "\n")
    with pytest.raises(HarnessError, match="comes twice"):
        read_ragtruth(files / RESPONSES, files / SOURCES)
    (files / RESPONSES).write_text("\n{broken\n")
    with pytest.raises(HarnessError, match=r"line 2: is no JSON"):
        read_ragtruth(files / RESPONSES, files / SOURCES)
    (files / RESPONSES).write_text("\n")
    with pytest.raises(HarnessError, match="there is no response"):
        read_ragtruth(files / RESPONSES, files / SOURCES)
    with pytest.raises(HarnessError, match="cannot be read"):
        read_ragtruth(files / "none", files / SOURCES)
