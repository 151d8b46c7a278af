"""Who answers: from files, from a server, from an engine; never with a password in it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.calls import weights
from harness.calls.identity import (
    Identity,
    identify_checkpoint,
    identify_endpoint,
    identify_engine,
    identify_weights,
    without_secrets,
)
from harness.errors import HarnessError
from harness.hardware.rows import Checkpoint

URL = "http://h:8000/v1"
WORD = st.from_regex(r"[A-Za-z0-9._~-]{4,12}", fullmatch=True)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "checkpoint"
    made.mkdir()
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(b"weights")
    (made / "README.md").write_text("about it")
    return made


def test_the_digest_changes_with_whatever_decides_an_answer(folder):
    first = weights.weights_digest(folder)
    (folder / "README.md").write_text("otherwise")
    assert weights.weights_digest(folder) == first
    seen = {first}
    for name in ("model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"):
        (folder / name).write_text(f"another {name}")
        seen.add(weights.weights_digest(folder))
    assert len(seen) == 5


def test_a_file_is_read_once_until_it_changes(folder, monkeypatch):
    read, hash_file = [], weights.file_hash
    monkeypatch.setattr(weights, "file_hash", lambda path: read.append(path.name) or hash_file(path))
    weights.weights_digest(folder)
    weights.weights_digest(folder)
    assert read == ["config.json", "model.safetensors"]
    (folder / "model.safetensors").write_bytes(b"others")
    weights.weights_digest(folder)
    assert read == ["config.json", "model.safetensors", "model.safetensors"]


def test_files_and_folders_of_this_machine(folder):
    identity = identify_weights(folder, engine="e 1", quantization="bf16")
    assert (identity.model, identity.endpoint, identity.quantization) == ("checkpoint", "", "bf16")
    assert identity.knows_weights
    file = folder / "model.gguf"
    file.write_bytes(b"weights")
    assert identify_weights(file, engine="e 1", quantization="Q8_0").weights == weights.file_hash(file)
    checkpoint = Checkpoint("task", "prompts", ("cpu",), "org/name", "", "q4", "llama.cpp", 4.0, "")
    assert identify_checkpoint(checkpoint, file, engine="e 1").model == "org/name"
    with pytest.raises(HarnessError, match="no weights"):
        identify_weights(folder.parent, engine="e", quantization="")


def test_a_server_by_what_it_says():
    listed = {"id": "m", "created": 1, "permission": [{"id": "p-1"}], "meta": {"size": 4}}
    one = identify_endpoint(URL, listed, engine="endpoint")
    assert one == identify_endpoint(URL, listed | {"created": 2, "permission": []}, engine="endpoint")
    assert (one.model, one.endpoint) == ("m", URL)
    assert not one.knows_weights
    assert one.weights == 'unknown; the server says {"id": "m", "meta": {"size": 4}}'
    assert one != identify_endpoint(URL, listed | {"meta": {"size": 5}}, engine="endpoint")
    assert one != identify_endpoint("http://h:8001/v1", listed, engine="endpoint")
    declared = identify_endpoint(URL, listed, engine="endpoint", weights="fp8 of June")
    assert declared.knows_weights


def test_an_engine_of_this_process():
    class Engine:
        name = "scripted 1"

    identity = identify_engine(Engine(), model="m", weights="seed 3")
    assert identity == Identity("m", "scripted 1", "", "seed 3", "")


@given(WORD, WORD, WORD)
def test_no_secret_of_a_url_is_anywhere(user, password, key):
    url = f"https://{user}:{password}@host.example:8000/v1?key={key}#{key}"
    assert without_secrets(url) == "https://host.example:8000/v1"
    identity = Identity("m", "e", url)
    assert "@" not in json.dumps(identity.document())
    assert identity == Identity("m", "e", "https://host.example:8000/v1")
    assert identity.fingerprint("task")["task endpoint"] == "https://host.example:8000/v1"
