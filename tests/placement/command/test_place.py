"""The real command on the committed problems: what it prints, writes and returns."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.placement.answers.answer import Answer, answer
from harness.placement.command import modes

FIXTURES = Path(__file__).parents[3] / "fixtures" / "placement"
MEDIUM_FRONT = [
    (2.0, 2901), (2.2, 3054), (2.4, 6304), (2.9, 6448), (3.0, 7417), (3.6, 10132), (4.4, 11821), (5.0, 12875),
    (5.4, 14185), (6.0, 15327), (6.4, 15761), (7.0, 17881), (8.0, 21458),
]  # fmt: skip


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


Place = Callable[..., Done]


@pytest.fixture
def place(capsys: pytest.CaptureFixture[str]) -> Place:
    def run(problem: str | Path, *words: str) -> Done:
        folder = FIXTURES / problem if isinstance(problem, str) else problem
        capsys.readouterr()
        try:
            code = main(["place", "--config-dir", str(folder), *words])
        except SystemExit as left:  # argparse's own way out
            code = int(left.code or 0)
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    return run


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    harness = Path(sys.executable).with_name("harness")
    return subprocess.run(
        [harness, "place", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    """A copy of tiny that a test may change."""
    return Path(shutil.copytree(FIXTURES / "tiny", tmp_path / "problem"))


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_medium_pool_as_json(place: Place) -> None:
    done = place("medium", "--json")
    assert (done.code, done.err) == (0, "")
    found = done.json
    assert found["usd_per_million_tokens"] == pytest.approx(0.0986975, abs=5e-8)
    assert found["usd_per_hour"] == 3.6
    assert found["tokens_per_s"] == pytest.approx(10131.97, abs=0.005)
    assert found["proven_optimal"] is True
    assert [(point["usd_per_hour"], round(point["tokens_per_s"])) for point in found["front"]] == MEDIUM_FRONT
    assert found["plan"][0] == {
        "gpu_type": "V100", "tp": 4, "gpus": [32, 33, 34, 35], "first_layer": 1, "last_layer": 12,
        "layers": 12,
        "tokens_per_s": pytest.approx(10507.23, abs=0.005),
    }  # fmt: skip
    assert sum(stage["layers"] for stage in found["plan"]) == 40
    assert (found["rules"], found["rates"], found["provenance"]) == ("corrected", "documented", "modelled")
    assert found["problem"]["gpus"] == 64
    assert found["certificate"]["usd_per_million_tokens"] == found["usd_per_million_tokens"]


def test_the_same_question_gives_the_same_bytes_whatever_the_hash_seed() -> None:
    folder = str(FIXTURES / "medium")
    one, other = (command("--config-dir", folder, "--json", PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert one.returncode == 0
    assert one.stdout == other.stdout


def test_the_answer_as_text(place: Place) -> None:
    lines = place("medium").out.splitlines()
    assert lines[0].endswith("on 64 GPUs of 5 types; rules corrected, rates documented (modelled)")
    assert lines[2] == ("cheapest token: 0.0986975 USD per million tokens, 3.60 USD/h, 10,131.97 tokens/s")
    assert lines[4].split() == ["stage", "layers", "count", "GPU", "type", "TP", "GPUs", "tokens/s"]
    assert lines[5].split() == ["1", "1-12", "12", "V100", "4", "32-35", "10,507.23"]
    assert lines[6].split() == ["2", "13-19", "7", "V100", "2", "36-37", "10,131.97", "slowest"]
    (proof,) = [line for line in lines if line.startswith("proven optimal: ")]
    assert "170 candidate throughputs" in proof
    assert "no plan has a token for less than 0.0986975 USD per million" in proof
    (marked,) = [line for line in lines if line.startswith("*")]
    assert marked.split()[:4] == ["*", "3.60", "10,131.97", "0.0986975"]
    assert "V100 TP4 (12 layers), 4 x V100 TP2 (7 layers)" in marked
    assert "front: 13 plans that no other one beats" in lines


@pytest.mark.parametrize(
    ("words", "usd_per_hour", "tokens_per_s"),
    [
        (["--budget", "3.5"], 3.0, 7416.87),
        (["--budget", "3.6"], 3.6, 10131.97),
        (["--min-tokens-per-s", "11000"], 4.4, 11820.63),
        (["--min-tokens-per-s", "11000", "--budget", "8"], 4.4, 11820.63),
        (["--min-tokens-per-s", "12000", "--budget", "8"], 8.0, 21457.67),
        (["--cost-weight", "0"], 8.0, 21457.67),
        (["--cost-weight", "1"], 2.0, 2901.43),
        (["--cost-weight", "0.5"], 2.0, 2901.43),
        (["--cost-weight", "0.2196"], 3.6, 10131.97),
        (["--ratio-only"], 3.6, 10131.97),
        (["--sizes", "fine"], 8.0, 21457.67),
        (["--sizes", "20,40"], 2.4, 6304.34),
        (["--single-type"], 3.6, 10131.97),
        (["--uniform-tp"], 3.6, 10131.97),
        (["--contiguous"], 3.6, 10131.97),
        (["--max-stages", "2"], 2.4, 6304.34),
        (["--max-prefill-s", "1.5"], 2.4, 6304.34),
    ],
)
def test_goals_limits_and_sizes(
    place: Place, words: list[str], usd_per_hour: float, tokens_per_s: float
) -> None:
    found = place("medium", "--json", *words).json
    assert found["usd_per_hour"] == pytest.approx(usd_per_hour)
    assert found["tokens_per_s"] == pytest.approx(tokens_per_s, abs=0.005)
    assert found["proven_optimal"] is True


def test_a_budget_in_the_config_holds_for_every_goal(place: Place, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FIXTURES / "medium", tmp_path / "medium"))
    change(folder / "config.csv", "max_hourly_cost,999", "max_hourly_cost,3.5")
    assert place(folder, "--json").json["usd_per_hour"] == 2.4
    assert place(folder, "--json", "--budget", "8").json["usd_per_hour"] == 3.0
    assert place(folder, "--json", "--cost-weight", "0").json["usd_per_hour"] == 3.0
    assert place(folder, "--min-tokens-per-s", "9000").code == 3
    assert place(folder, "--ratio-only").code == 4


def test_the_documented_rules_hold_the_plan_to_their_big_m(place: Place) -> None:
    done = place("medium", "--rules", "documented", "--budget", "4.0", "--json")
    assert done.json["tokens_per_s"] == 8344.650268554688
    assert done.json["rules"] == "documented"
    text = place("medium", "--rules", "documented", "--budget", "4.0").out
    assert "holds the plan below its stages: 8,344.65 tokens/s" in text


def test_slow_links_are_part_of_the_answer(place: Place, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FIXTURES / "medium", tmp_path / "medium"))
    matrix = (folder / "network_bandwidth.csv").read_text()
    (folder / "network_bandwidth.csv").write_text(matrix.replace("600", "0.3"))
    slow, fast = place(folder, "--json"), place("medium", "--json")
    assert slow.code == 0
    assert slow.json["usd_per_million_tokens"] >= fast.json["usd_per_million_tokens"]
    assert slow.json["candidates"] != fast.json["candidates"]
    assert place(folder, "--ratio-only").code == 4
    assert place(folder, "--demand", "5000").code == 4


def test_links_of_uneven_speed_leave_a_gap_that_is_told(place: Place, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FIXTURES / "medium", tmp_path / "medium"))
    matrix = (folder / "network_bandwidth.csv").read_text()
    (folder / "network_bandwidth.csv").write_text(matrix.replace("600", "0.3"))
    open_ = place(folder, "--json").json
    assert open_["proven_optimal"] is False
    assert 0 < open_["gap"] < 0.05
    text = place(folder).out
    assert f"NOT proven optimal: at most {open_['gap'] * 100:.1f} % from the best; " in text
    assert "a link holds the plan below its stages: " in text
    closed = place(folder, "--json", "--min-tokens-per-s", "9000").json
    assert (closed["proven_optimal"], closed["gap"]) == (True, 0)
    weighted = place(folder, "--json", "--cost-weight", "0.2").json
    assert (weighted["proven_optimal"], weighted["gap"]) == (False, None)
    assert place(folder, "--json", "--cost-weight", "1").json["proven_optimal"] is True
    assert ": no fault" in place(folder, "--check").out


def test_links_that_leave_open_whether_there_is_a_plan_are_no_answer(place: Place, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FIXTURES / "medium", tmp_path / "medium"))
    matrix = (folder / "network_bandwidth.csv").read_text()
    (folder / "network_bandwidth.csv").write_text(matrix.replace("600", "0.3"))
    done = place(folder, "--budget", "3.6", "--min-tokens-per-s", "10000")
    assert (done.code, done.out) == (20, "")
    assert "depends on which GPUs of a type are linked" in done.err
    assert place(folder, "--budget", "3.6", "--min-tokens-per-s", "11000").code == 3


def test_corrected_rates_are_of_the_model_as_it_is(place: Place) -> None:
    found = place("large", "--rates", "corrected", "--json").json
    assert (found["rates"], found["provenance"]) == ("corrected", "modelled")
    assert found["problem"]["layers"] == 80


def test_measured_rates_are_called_measured(place: Place, tmp_path: Path) -> None:
    rates = tmp_path / "rates.csv"
    rates.write_text("gpu_type,tp,layers,tokens_per_s\nA100,1,4,100\nA100,2,4,250\nT4,1,4,60\n")
    done = place("tiny", "--rates", str(rates), "--json")
    assert (done.json["rates"], done.json["provenance"]) == ("measured", "measured")
    assert done.json["tokens_per_s"] == 60
    assert "rates measured (measured)" in place("tiny", "--rates", str(rates)).out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["--rates", "documentd"],
            "--rates: 'documentd' is no file (allowed: documented, corrected, or a file",
        ),
        (["--budget", "-1"], "argument --budget: '-1' is not allowed (a number above 0)"),
        (["--budget", "nan"], "'nan' is not allowed"),
        (["--min-tokens-per-s", "inf"], "'inf' is not allowed"),
        (["--cost-weight", "1.5"], "'1.5' is not allowed (a number from 0 to 1)"),
        (["--max-stages", "2.5"], "'2.5' is not allowed (a whole number, 1 or more)"),
        (
            ["--sizes", "5,41"],
            "--sizes: '5,41' is not a choice of sizes (allowed: all, coarse, fine, or numbers",
        ),
        (["--sizes", ""], "--sizes: '' is not a choice"),
        (["--cost-weight", "0.5", "--budget", "3"], "--cost-weight and --budget exclude each other"),
        (["--ratio-only", "--plot", "x.svg"], "--ratio-only and --plot exclude each other"),
        (["--rules", "documented", "--uniform-tp"], "--rules documented and --uniform-tp exclude each other"),
        (["--plot", "no/such/folder/x.svg"], "cannot be written"),
        (["--check", "no-such.json"], "cannot be read as JSON"),
        (["--rules", "right"], "invalid choice: 'right'"),
        (["--tall"], "unrecognized arguments: --tall"),
    ],
)
def test_mistakes_are_one_line(place: Place, words: list[str], says: str) -> None:
    done = place("medium", *words)
    assert done.code == 4
    assert says in done.err
    assert len(done.err.splitlines()) == 1
    assert done.out == ""


def test_a_folder_that_is_no_problem_is_one_line(place: Place, tmp_path: Path) -> None:
    done = place(tmp_path / "nothing")
    assert done.code == 4
    assert "config.csv: no such file" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["--budget", "1"],
            "no plan costs 1 USD/h or less; 1 USD/h are too little, the cheapest plan costs 2",
        ),
        (["--min-tokens-per-s", "30000"], "no plan reaches 30000 tokens/s; "),
        (["--min-tokens-per-s", "9000", "--budget", "3"], "no plan reaches 9000 tokens/s within 3 USD/h; "),
        (["--max-prefill-s", "0.01"], "no plan keeps to the limits on prefill_s; "),
        (["--max-stages", "1", "--sizes", "20"], "no plan"),
    ],
)
def test_no_plan_is_an_answer_with_the_nearest_change(place: Place, words: list[str], says: str) -> None:
    done = place("medium", *words)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith(f"harness: {says}")
    assert len(done.err.splitlines()) == 1
    told = place("medium", "--json", *words)
    assert told.code == 3
    assert told.json["plan"] is None
    assert told.json["infeasible"].startswith("no plan") or says == "no plan"
    assert told.json["relaxations"]
    assert told.json["problem"]["model_name"] == "llama-70b"


def test_what_a_change_leaves_aside_is_told(place: Place, problem: Path) -> None:
    change(problem / "config.csv", "batch_size,4", "batch_size,512")
    assert (
        "gives one (the limits and the throughput aside)"
        in place(problem, "--min-tokens-per-s", "9e9", "--max-stages", "2").err
    )
    assert "aside" not in place(problem).err
    assert "(the budget aside)" in place("medium", "--max-prefill-s", "0.1", "--budget", "1").err


def test_a_budget_in_two_places_must_be_raised_in_both(place: Place, problem: Path) -> None:
    assert place(problem, "--budget", "0.1").err.endswith("the cheapest plan costs 1.4\n")
    change(problem / "config.csv", "max_hourly_cost,999", "max_hourly_cost,0.2")
    assert place(problem).err.endswith("(raise max_hourly_cost)\n")
    assert place(problem, "--budget", "0.1").err.endswith("(raise --budget and max_hourly_cost)\n")


def test_a_pool_that_cannot_hold_the_model(place: Place, problem: Path) -> None:
    change(problem / "config.csv", "layer_weight_memory_gb,", "layer_weight_memory_gb,1")
    done = place(problem)
    assert done.code == 3
    assert "no plan: " in done.err


def test_the_answer_is_checked_on_request(place: Place) -> None:
    assert ": no fault" in place("medium", "--check").out.splitlines()[-1]
    found = place("medium", "--check", "--json").json["checked"]
    assert found == {"plans": 14, "bounds": len(place("medium", "--json").json["certificate"]["spans"]),
                     "front": True, "faults": []}  # fmt: skip
    limited = place("medium", "--check", "--max-stages", "4", "--max-prefill-s", "1.5", "--json").json[
        "checked"
    ]
    assert (limited["bounds"], limited["front"]) == (0, True)
    assert "optimality itself has no second proof here" in place("medium", "--check", "--contiguous").out


@pytest.mark.parametrize(
    "words", [[], ["--budget", "3"], ["--ratio-only"], ["--uniform-tp"], ["--max-prefill-s", "2"]]
)
def test_a_result_is_checked_from_its_file(place: Place, tmp_path: Path, words: list[str]) -> None:
    result = tmp_path / "result.json"
    result.write_text(place("medium", "--json", *words).out)
    done = place("medium", "--check", str(result), *words)
    assert done.code == 0
    assert done.out.startswith("checked: ")


def _raise_rate(told: dict[str, Any]) -> None:
    told["plan"][0]["tokens_per_s"] *= 2


def _undersell(told: dict[str, Any]) -> None:
    told["usd_per_million_tokens"] /= 2


def _swap_answer(told: dict[str, Any]) -> None:
    told.update({key: told["front"][2][key] for key in ("plan", "usd_per_hour", "tokens_per_s")})
    told["usd_per_million_tokens"] = told["front"][2]["usd_per_million_tokens"]


def _drop_corner(told: dict[str, Any]) -> None:
    del told["front"][9]


def _drop_span(told: dict[str, Any]) -> None:
    del told["certificate"]["spans"][1]


def _raise_bound(told: dict[str, Any]) -> None:
    told["certificate"]["spans"][0]["usd_per_hour"] += 0.5


def _other_goal(told: dict[str, Any]) -> None:
    told["goal"] = "fastest within 3 USD/h"


def _other_problem(told: dict[str, Any]) -> None:
    told["problem"]["sha256"] = "0" * 64


def _no_stage(told: dict[str, Any]) -> None:
    told["front"][0]["plan"] = []


@pytest.mark.parametrize(
    "spoil",
    [
        _raise_rate,
        _undersell,
        _swap_answer,
        _drop_corner,
        _drop_span,
        _raise_bound,
        _other_goal,
        _other_problem,
        _no_stage,
    ],
)
def test_a_spoilt_result_is_found(
    place: Place, tmp_path: Path, spoil: Callable[[dict[str, Any]], None]
) -> None:
    told = place("medium", "--json").json
    spoil(told)
    result = tmp_path / "result.json"
    result.write_text(json.dumps(told))
    done = place("medium", "--check", str(result))
    assert done.code == 4
    assert len(done.err.splitlines()) == 1


def test_a_front_of_other_limits_is_found(place: Place, tmp_path: Path) -> None:
    told = place("medium", "--json", "--uniform-tp").json
    free = place("medium", "--json").json
    for number, words in enumerate((told["front"][:-1], told["front"][1:], free["front"])):
        result = tmp_path / f"{number}.json"
        result.write_text(json.dumps(told | {"front": words}))
        done = place("medium", "--check", str(result), "--uniform-tp")
        assert done.code == 4
        assert "the result does not hold" in done.err


def test_an_interrupted_search_is_one_line(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(modes, "answer", interrupted)
    done = place("tiny")
    assert (done.code, done.out) == (20, "")
    assert done.err == "harness: interrupted before the end\n"


def test_a_reader_who_leaves_is_no_traceback() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    words = [Path(sys.executable).with_name("harness"), "place", "--config-dir", FIXTURES / "tiny"]
    done = subprocess.run(words, stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (20, "")


@pytest.mark.parametrize(("closed", "folder", "code"), [(">&-", "tiny", 0), ("2>&-", "nowhere", 4)])
def test_a_closed_stream_is_no_traceback(closed: str, folder: str, code: int) -> None:
    harness = Path(sys.executable).with_name("harness")
    line = f"exec '{harness}' place --config-dir '{FIXTURES / folder}' {closed}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_finds_no_room_is_one_line() -> None:
    words = [Path(sys.executable).with_name("harness"), "place", "--config-dir", FIXTURES / "tiny"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (21, 1)
    assert "No space left" in done.stderr


def test_names_beyond_the_terminals_encoding_are_escaped(problem: Path) -> None:
    change(problem / "config.csv", "model_name,", "model_name,\u6a21-")
    done = command("--config-dir", str(problem), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("\\u6a21-")


def test_a_wrong_answer_is_the_solvers_fault(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*words: Any, **more: Any) -> Answer:
        found = answer(*words, **more)
        return dataclasses.replace(found, plan=dataclasses.replace(found.plan, usd_per_hour=0.5))

    monkeypatch.setattr(modes, "answer", wrong)
    done = place("tiny", "--check")
    assert done.code == 21
    assert "the answer does not hold: costs 2.0 usd/h, not 0.5" in done.err


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"plan": []}', '{"plan": null}', "\x00"])
def test_a_file_that_is_no_result_is_one_line(place: Place, tmp_path: Path, text: str) -> None:
    result = tmp_path / "result.json"
    result.write_text(text)
    done = place("tiny", "--check", str(result))
    assert done.code == 4
    assert len(done.err.splitlines()) == 1


def test_the_launch_of_a_plan_that_one_launch_cannot_serve(place: Place) -> None:
    done = place("medium", "--emit", "vllm")
    assert done.code == 0
    assert "# one vLLM launch cannot serve this plan: its stages have tensor-parallel sizes 2, 4" in done.out
    assert "# its token costs nothing more" in done.out
    assert "VLLM_PP_LAYER_PARTITION=7,7,7,7,7,5" in done.out
    found = place("medium", "--emit", "vllm", "--json").json
    assert found["vllm"]["launch"]["layer_partition"] == [7, 7, 7, 7, 7, 5]
    assert found["vllm"]["usd_per_token_above_answer"] == pytest.approx(0, abs=1e-12)
    assert len(found["plan"]) == 5


def test_the_launch_script_is_valid_shell(place: Place) -> None:
    script = place("medium", "--emit", "vllm").out
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=True).returncode == 0


def test_where_no_plan_can_be_launched_the_answer_says_why(place: Place, problem: Path) -> None:
    change(problem / "config.csv", "num_attention_heads,", "num_attention_heads,1")
    done = place("medium", "--emit", "vllm", "--gpus-per-machine", "1", "--budget", "2.4")
    assert done.code == 3
    assert "no plan for this question can be served by one" in done.out
    assert "vllm serve" not in done.out


def test_the_front_is_drawn_into_a_file(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "front.svg"
    done = place("medium", "--plot", str(path), "--budget", "4")
    assert done.code == 0
    svg = ET.parse(path).getroot()
    assert len(list(svg.iter("{http://www.w3.org/2000/svg}circle"))) == 13
    assert "budget 4" in path.read_text()
    assert [each.name for each in tmp_path.iterdir()] == ["front.svg"]


def test_a_drawing_never_takes_the_place_of_a_device(place: Place, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    done = place("tiny", "--plot", str(pipe))
    assert (done.code, done.out) == (4, "")
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_long_name_stays_inside_the_drawing(place: Place, problem: Path, tmp_path: Path) -> None:
    change(problem / "config.csv", "model_name,", "model_name," + "m" * 500)
    assert place(problem, "--plot", str(tmp_path / "front.svg")).code == 0
    assert "m" * 61 not in (tmp_path / "front.svg").read_text()


def test_names_from_the_files_are_text_in_every_output(place: Place, problem: Path, tmp_path: Path) -> None:
    wild = "<b>&\x1b[2J"
    change(problem / "config.csv", "tiny-4-layers", wild)
    done = place(problem, "--plot", str(tmp_path / "x.svg"))
    if done.code == 4:  # refused when it was read
        assert "\x1b" not in done.err
        return
    assert "\x1b" not in done.out
    assert "<b>" in done.out
    ET.parse(tmp_path / "x.svg")


def test_other_commands_do_not_wait_for_the_solvers() -> None:
    code = "import sys; from harness.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "assert not [name for name in sys.modules if name.startswith(('harness.placement', 'highspy'))]"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "place" in done.stdout
