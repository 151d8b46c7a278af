"""The response cache: what it keeps, what it survives."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.calls.answer import Answer
from harness.calls.cache import ResponseCache
from harness.errors import HarnessError

ANSWER = Answer("hello\ud800\n", 3, 1, "stop", "engine", 0.25, 2)
KEY = "ab" + "0" * 62


def test_an_answer_comes_back_in_the_next_run(tmp_path):
    ResponseCache(tmp_path / "cache").put(KEY, ANSWER)
    cache = ResponseCache(tmp_path / "cache")
    assert cache.get(KEY) == ANSWER
    assert cache.get("cd" + KEY[2:]) is None
    assert (cache.damaged, cache.unwritten) == (0, 0)
    assert [path.name for path in (tmp_path / "cache").rglob("*.*")] == [f"{KEY}.json"]


GOOD = json.dumps(
    {"format": 1, "key": KEY, "answer": {**{name: getattr(ANSWER, name) for name in ANSWER.__slots__}}}
).encode()


@given(st.binary(max_size=40) | st.integers(0, len(GOOD) - 1).map(lambda size: GOOD[:size]))
def test_a_damaged_entry_is_a_miss_and_the_next_answer_replaces_it(tmp_path_factory, content):
    cache = ResponseCache(tmp_path_factory.mktemp("cache"))
    cache.put(KEY, ANSWER)
    cache._path(KEY).write_bytes(content)
    assert cache.get(KEY) is None
    assert cache.damaged == 1
    cache.put(KEY, ANSWER)
    assert cache.get(KEY) == ANSWER


@pytest.mark.parametrize(
    "change", [{"format": 2}, {"key": "other"}, {"answer": {"text": 5}}, {"answer": None}]
)
def test_an_entry_of_another_kind_is_a_miss(tmp_path, change):
    cache = ResponseCache(tmp_path)
    cache.put(KEY, ANSWER)
    cache._path(KEY).write_text(json.dumps(json.loads(GOOD) | change))
    assert cache.get(KEY) is None
    assert cache.damaged == 1


def test_a_folder_instead_of_an_entry_costs_hits_not_answers(tmp_path):
    cache = ResponseCache(tmp_path)
    cache._path(KEY).mkdir(parents=True)
    assert cache.get(KEY) is None
    cache.put(KEY, ANSWER)
    assert (cache.damaged, cache.unwritten) == (1, 1)
    assert list(tmp_path.rglob("*.partial")) == []


def test_a_cache_where_none_can_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match="--no-cache"):
        ResponseCache(tmp_path / "file")


WRITER = """
import sys
from pathlib import Path
from harness.calls.answer import Answer
from harness.calls.cache import ResponseCache
cache, bad = ResponseCache(Path(sys.argv[1])), 0
for turn in range(300):
    key = f"{turn % 7:064d}"
    cache.put(key, Answer("x" * 2000 + key, 1, 1, "stop", "engine", 0.1))
    found = cache.get(key)
    bad += found is None or not found.text.endswith(key)
print(bad + cache.damaged + cache.unwritten)
"""


def test_processes_share_a_folder(tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [writer.communicate()[0].strip() for writer in writers] == ["0", "0"]
