"""Servers as child processes: they answer, end when they should, and say why when they should not."""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from harness.engines import serve, server_kinds
from harness.engines.endpoint import EndpointEngine
from harness.engines.protocol import EngineFailure, Message, Request, Sampling
from harness.engines.server import running
from harness.engines.server_death import telling_line
from harness.engines.server_kinds import Launch, ServerSpec, launch
from harness.errors import EXIT_BAD_INPUT, HarnessError

CHAT = (Message("user", "Who came to the meeting?"),)

# what `harness serve` is for its options, without the rest of the command
COMMAND = """
import argparse, sys
from harness.engines.serve import add_options
from harness.errors import HarnessError
parser = argparse.ArgumentParser()
add_options(parser, lambda folder, precision: folder / f"{precision}.gguf")
options = parser.parse_args()
try:
    sys.exit(options.run(options))
except HarnessError as error:
    print(error.message, file=sys.stderr)
    sys.exit(error.exit_code)
"""

# a client of its own that says when its stream has begun
CLIENT = """
import http.client, json, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
body = {"prompt": "Once", "max_tokens": 480, "ignore_eos": True, "stream": True}
connection.request("POST", "/v1/completions", json.dumps(body), {"content-type": "application/json"})
answer = connection.getresponse()
answer.readline()
print("begun", flush=True)
while True:
    answer.readline()
"""


def spec_for(model: Path, **settings) -> ServerSpec:
    return ServerSpec(model, **({"parallel": 8, "context": 512, "threads": 1} | settings))


@pytest.fixture(scope="module")
def server(tiny_gguf):
    with running(spec_for(tiny_gguf)) as server:
        yield server


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(fact, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not (true := fact()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return true


def test_any_client_gets_chats_and_completions(server):
    chat = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4, "temperature": 0}
    text = {"prompt": "Hello", "max_tokens": 4, "temperature": 0}
    with httpx.Client(base_url=server.url) as client:
        chatted = client.post("/v1/chat/completions", json=chat).json()
        told = client.post("/v1/completions", json=text).json()
        models = client.get("/v1/models").json()
    assert chatted["choices"][0]["message"]["role"] == "assistant"
    assert chatted["usage"]["completion_tokens"] <= 4
    assert isinstance(told["choices"][0]["text"], str)
    assert models["data"][0]["meta"]["n_ctx"] == 512


def test_a_page_in_a_browser_may_not_read_answers(server):
    answer = httpx.get(f"{server.url}/v1/models", headers={"origin": "http://elsewhere.example"})
    assert answer.headers["access-control-allow-origin"] != "http://elsewhere.example"
    assert answer.headers["access-control-allow-origin"] != "*"


def test_an_endpoint_engine_finds_everything_that_its_dialect_promises(server):
    engine = EndpointEngine(server.url, dialect=server.dialect)
    try:
        assert engine.context_tokens == 512
        ids = engine.tokenize("<|im_start|>user\nHello")
        greedy = engine.submit(Request(tuple(ids), Sampling(max_tokens=6, ignore_eos=True))).result()
        assert (greedy.prompt_tokens, greedy.completion_tokens) == (len(ids), 6)
        assert greedy.finish_reason == "length"
        grammar = Sampling(max_tokens=8, grammar='root ::= "ab" [0-9]')
        assert re.fullmatch("ab[0-9]", engine.submit(Request("x", grammar)).result().text)
        schema = Sampling(max_tokens=40, schema={"enum": ["red", "blue"]})
        for prompt in ("x", CHAT):
            assert json.loads(engine.submit(Request(prompt, schema)).result().text) in ("red", "blue")
        with pytest.raises(HarnessError, match="exceeds the available context"):
            engine.submit(Request("word " * 600)).result()
    finally:
        engine.close()


def test_32_streams_one_client_killed_the_others_finish(server):
    port = server.url.rpartition(":")[2]
    engine = EndpointEngine(server.url, dialect=server.dialect, concurrency=31)
    victim = subprocess.Popen([sys.executable, "-c", CLIENT, port], stdout=subprocess.PIPE)
    try:
        sampling = Sampling(max_tokens=48, ignore_eos=True)
        tickets = [engine.submit(Request(f"Story {number}:", sampling)) for number in range(31)]
        assert victim.stdout.readline() == b"begun\n"
        victim.kill()
        done = [ticket.result() for ticket in tickets]
    finally:
        victim.kill()
        victim.wait()
        victim.stdout.close()
        engine.close()
    assert [completion.completion_tokens for completion in done] == [48] * 31
    idle = "llamacpp:requests_processing 0"
    assert eventually(lambda: idle in httpx.get(f"{server.url}/metrics").text)


def test_a_server_ends_with_its_block_and_leaves_no_log(tiny_gguf):
    with running(spec_for(tiny_gguf, continuous=False, prefix_cache=False)) as server:
        assert httpx.get(f"{server.url}/health").status_code == 200
        assert server.log.exists()
    assert server.process.returncode == -signal.SIGTERM
    assert not server.log.exists()


def test_a_log_that_was_asked_for_stays(tiny_gguf, tmp_path):
    with running(spec_for(tiny_gguf, log=tmp_path / "server.log")):
        pass
    assert "listening at http://127.0.0.1:" in (tmp_path / "server.log").read_text()


def test_a_port_in_use(tiny_gguf):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(HarnessError, match=f"port {port} of 127.0.0.1 is in use; pass another"),
            running(spec_for(tiny_gguf, port=port)),
        ):
            pass


def test_a_port_taken_between_the_look_and_the_start(tiny_gguf, tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr("harness.engines.server._port", lambda spec: port)
        monkeypatch.setattr("harness.engines.server._is_healthy", lambda host, port: False)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        with pytest.raises(HarnessError, match="is in use"), running(spec_for(tiny_gguf, port=port)):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_model(tiny_gguf, tmp_path):
    model = tmp_path / "cut.gguf"
    model.write_bytes(tiny_gguf.read_bytes()[:-100_000])
    with pytest.raises(HarnessError, match="corrupted or incomplete; see") as error, running(spec_for(model)):
        pass
    assert error.value.where == str(model)
    log = Path(error.value.next_step.removeprefix("see "))
    assert "exiting due to model loading error" in log.read_text()
    log.unlink()


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "is no GGUF file"), (b"PK\3\4", "is no GGUF file"), (None, "No such file")]
)
def test_what_is_no_model(tmp_path, content, message):
    model = tmp_path / "model.gguf"
    if content is not None:
        model.write_bytes(content)
    with pytest.raises(HarnessError, match=message), running(spec_for(model)):
        pass


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os; os.kill(os.getpid(), 4)", r"died of SIGILL \(an instruction that this processor"),
        ("import os; os.kill(os.getpid(), 9)", r"died of SIGKILL \(killed from outside"),
        ("raise OSError('no \\x1b[31m disk')", r"exit code 1; its last words: OSError: no  \[31m disk"),
        ("pass", "ended with exit code 0; its last words: none"),
        ("import time; print('loading', flush=True); time.sleep(60)", "not ready after 2 s; last: loading"),
    ],
)
def test_a_server_that_dies_or_hangs_before_it_is_ready(monkeypatch, tmp_path, code, message):
    monkeypatch.setattr(
        "harness.engines.server.launch", lambda spec, port: Launch((sys.executable, "-IS", "-c", code))
    )
    spec = spec_for(tmp_path, start_s=2 if "sleep" in code else 60, log=tmp_path / "log")
    with pytest.raises(EngineFailure, match=message), running(spec):
        pass


def test_a_server_that_dies_while_it_serves(tiny_gguf, tmp_path):
    with running(spec_for(tiny_gguf, log=tmp_path / "log")) as server:
        server.process.send_signal(signal.SIGSEGV)
        failure = server.wait()
    assert isinstance(failure, EngineFailure)
    assert "the xllamacpp server died of SIGSEGV (a memory fault)" in str(failure)


def test_a_server_ends_with_its_starter_however_that_ends(tiny_gguf):
    code = (
        "import sys, time; from pathlib import Path; from harness.engines.server import running;"
        "from harness.engines.server_kinds import ServerSpec\n"
        "with running(ServerSpec(Path(sys.argv[1]), context=512, log=Path('/dev/null'))) as server:\n"
        "    print(server.process.pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, str(tiny_gguf)], stdout=subprocess.PIPE)
    pid = int(starter.stdout.readline())
    assert is_there(pid)
    starter.kill()
    starter.wait()
    starter.stdout.close()
    assert eventually(lambda: not is_there(pid))


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_cleanly(tiny_gguf, stop):
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND, f"--model={tiny_gguf}", "--port=0", "--context=512"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    first = command.stdout.readline()
    url = re.fullmatch(rf"{tiny_gguf.name} with xllamacpp at (http://127.0.0.1:\d+)/v1\n", first)[1]
    assert httpx.get(f"{url}/health").status_code == 200
    assert command.stdout.readline() == "up to 8 requests at once, up to 512 tokens each; Ctrl-C stops it\n"
    os.kill(command.pid, stop)
    assert command.communicate(timeout=20) == ("", "")
    assert command.returncode == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")


def test_the_command_says_why_its_server_died(tiny_gguf, tmp_path):
    log = tmp_path / "log"
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND, f"--model={tiny_gguf}", "--port=0", f"--log={log}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    command.stdout.readline()
    children = Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    _, errors = command.communicate(timeout=20)
    assert command.returncode == 21
    assert errors.count("\n") == 1
    assert "died of SIGKILL" in errors


# what is started


def test_transformers_serve_is_started_with_continuous_batching(tiny_model, monkeypatch):
    monkeypatch.setattr(server_kinds, "_needs", lambda *_: None)
    monkeypatch.setattr(server_kinds, "_device", lambda: "cpu")
    spec = ServerSpec(tiny_model, engine="transformers", parallel=4, context=600, quantization="nf4")
    command = launch(spec, 8123).command
    assert command[3] == "harness.engines.server_transformers"
    wanted = {"--continuous", "--blocks=12", "--context=600", "--quantization=bnb-4bit", "--port=8123"}
    assert wanted <= set(command)
    with pytest.raises(HarnessError, match="cannot be told"):
        launch(ServerSpec(tiny_model, engine="transformers", prefix_cache=False), 8123)
    with pytest.raises(HarnessError, match="cannot load Q4_K_M"):
        launch(ServerSpec(tiny_model, engine="transformers", quantization="Q4_K_M"), 8123)


def test_vllm_is_started_with_the_container_settings_by_its_own_python(tiny_model, monkeypatch):
    monkeypatch.setenv("HARNESS_VLLM_PYTHON", sys.executable)
    monkeypatch.setattr(server_kinds, "_device", lambda: "cuda")
    started = launch(ServerSpec(tiny_model, engine="vllm", parallel=32), 8123)
    assert started.command[0] == sys.executable
    assert started.command[3] == "vllm.entrypoints.openai.api_server"
    wanted = {
        "--port=8123", "--host=127.0.0.1", f"--model={tiny_model}", "--max-model-len=4096",
        "--max-num-seqs=32", "--max-num-batched-tokens=16384", "--enable-chunked-prefill",
        "--enable-prefix-caching", "--gpu-memory-utilization=0.95", "--dtype=bfloat16",
    }  # fmt: skip
    assert wanted <= set(started.command)
    with pytest.raises(HarnessError, match="always batches continuously"):
        launch(ServerSpec(tiny_model, engine="vllm", continuous=False), 8123)
    for wrong in ("/nowhere/python", str(tiny_model)):
        monkeypatch.setenv("HARNESS_VLLM_PYTHON", wrong)
        with pytest.raises(HarnessError, match="is no program"):
            launch(ServerSpec(tiny_model, engine="vllm"), 8123)


def test_a_program_that_cannot_be_started_leaves_no_log(tiny_model, tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_bytes(b"no program")
    program.chmod(0o755)
    monkeypatch.setenv("HARNESS_VLLM_PYTHON", str(program))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with (
        pytest.raises(HarnessError, match="cannot be started"),
        running(ServerSpec(tiny_model, engine="vllm")),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["python"]


@pytest.mark.parametrize("engine", ["transformers", "vllm"])
def test_a_checkpoint_is_a_folder(tiny_gguf, monkeypatch, engine):
    monkeypatch.setattr(server_kinds, "_needs", lambda *_: None)
    with pytest.raises(HarnessError, match="is no checkpoint"):
        launch(ServerSpec(tiny_gguf, engine=engine), 8123)


def test_a_package_that_is_missing(tiny_gguf, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(HarnessError, match=r"needs xllamacpp, .*; make install EXTRA=server"):
        launch(ServerSpec(tiny_gguf), 8123)


def test_a_gguf_file_is_quantized_already(tiny_gguf):
    with pytest.raises(HarnessError, match="quantizes nothing while loading"):
        launch(ServerSpec(tiny_gguf, quantization="Q4_K_M"), 8123)


def spec_of(*words: str, gguf_for=lambda folder, precision: folder / precision, default_model=None):
    """The server that these options start."""
    parser = argparse.ArgumentParser()
    serve.add_options(parser, gguf_for, default_model)
    return serve.spec_of(parser.parse_args(words), gguf_for, default_model)


def test_a_checkpoint_folder_is_served_as_q4_k_m(tiny_model):
    assert spec_of(f"--model={tiny_model}").model == tiny_model / "Q4_K_M"
    spec = spec_of(f"--model={tiny_model}", "--quantization=Q8_0")
    assert (spec.model, spec.quantization) == (tiny_model / "Q8_0", "")
    assert spec_of(f"--model={tiny_model}", "--engine=vllm", "--quantization=fp8").quantization == "fp8"


def test_the_default_model(tiny_gguf):
    assert spec_of(default_model=lambda: tiny_gguf).model == tiny_gguf


@pytest.mark.parametrize(("trained", "context"), [(2048, 2048), (8192, 4096), (None, 4096)])
def test_without_context_it_is_the_models_up_to_4096(tmp_path, trained, context):
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": trained}))
    assert spec_of(f"--model={tmp_path}").context == context


def test_a_gguf_files_own_context_is_left_to_the_server(tiny_gguf):
    assert spec_of(f"--model={tiny_gguf}").context == 4096
    assert spec_of(f"--model={tiny_gguf}", "--context=5000").context == 5000


def test_a_context_beyond_what_the_model_was_trained_for(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 2048}))
    assert spec_of(f"--model={tmp_path}", "--context=2048").context == 2048
    with pytest.raises(HarnessError, match=r"--context: is 2049, more than .*up to 2048") as mistake:
        spec_of(f"--model={tmp_path}", "--context=2049")
    assert mistake.value.exit_code == EXIT_BAD_INPUT


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--port=70000", "--port: is 70000"),
        ("--parallel=0", "--parallel: is 0"),
        ("--context=-1", "--context: is -1"),
        ("--model=/nowhere/model.gguf", "there is no such model"),
    ],
)
def test_options_that_are_none(tiny_gguf, word, message):
    with pytest.raises(HarnessError, match=message):
        spec_of(f"--model={tiny_gguf}", word)


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("E load: error loading model: wrong magic\nE exiting due to model loading error\n", "wrong magic"),
        ("Traceback:\n  File\nOSError: gone\nINFO stopping\n", "OSError: gone"),
        ("torch.OutOfMemoryError: CUDA\nfailed to start\n", "torch.OutOfMemoryError: CUDA"),
        ("INFO a\nsomething failed\nINFO b\n", "something failed"),
        ("INFO a\n\nINFO b\n", "INFO b"),
        ("", "none"),
    ],
)
def test_the_telling_line(log, line):
    assert telling_line(log) == line
