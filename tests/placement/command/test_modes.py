"""Methods, comparison, audit, explanations, fleets and made-up problems through the real command."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.placement.documented import enumeration as enumeration_module
from harness.placement.documented.methods import Search, Solve, solve_within

FIXTURES = Path(__file__).parents[3] / "fixtures" / "placement"
PAGE = Path(__file__).parents[3] / "docs" / "placement.md"


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


Harness = Callable[..., Done]


@pytest.fixture
def place(capsys: pytest.CaptureFixture[str]) -> Harness:
    def run(*words: str) -> Done:
        capsys.readouterr()
        try:
            code = main(["place", *words])
        except SystemExit as left:
            code = int(left.code or 0)
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    return run


def at(name: str) -> tuple[str, str]:
    return "--config-dir", str(FIXTURES / name)


@pytest.mark.parametrize("rules", ["corrected", "documented"])
@pytest.mark.parametrize("method", ["weighted", "enumeration"])
def test_a_documented_method_tells_every_solve(place: Harness, method: str, rules: str) -> None:
    done = place(*at("small"), "--method", method, "--rules", rules, "--json")
    assert done.code == 0
    found = done.json
    assert (found["method"], found["rules"], found["goal"]) == (method, rules, f"method {method}")
    assert found["proven_optimal"] is False
    assert found["all_solves_proven"] is True
    assert found["sizes"] == [1, 5, 10, 12]
    assert len(found["solves"]) == (1 if method == "weighted" else 10)
    best = min(s["usd_per_million_tokens"] for s in found["solves"] if s["usd_per_million_tokens"])
    assert found["usd_per_million_tokens"] == best
    assert sum(stage["layers"] for stage in found["plan"]) == 12


def test_the_methods_as_text(place: Harness) -> None:
    lines = place(*at("small"), "--method", "enumeration").out.splitlines()
    assert lines[2].startswith("enumeration: 0.0403298 USD per million tokens, 0.60 USD/h")
    (head,) = [i for i, line in enumerate(lines) if line.split()[:2] == ["budget", "weight"]]
    assert len(lines[head + 1 :]) == 10 + 1
    assert lines[-1] == "6 of 6 plans cost at most 0.002 USD per token (max_cost_per_token)"
    assert lines[head + 1].split()[:4] == ["*", "none", "0.95", "optimal"]


def test_the_cost_weight_is_the_weighted_methods(place: Harness) -> None:
    fast = place(*at("small"), "--method", "weighted", "--cost-weight", "0", "--json").json
    cheap = place(*at("small"), "--method", "weighted", "--cost-weight", "1", "--json").json
    assert fast["tokens_per_s"] > cheap["tokens_per_s"]
    assert fast["usd_per_hour"] > cheap["usd_per_hour"]


def test_methods_are_compared_with_the_exact_optimum_beside_them(place: Harness) -> None:
    found = place(*at("small"), "--compare", "--json", "--gap", "0").json
    per_million = {
        name: found[name]["usd_per_million_tokens"] for name in ("weighted", "enumeration", "exact")
    }
    assert per_million["exact"] == pytest.approx(0.0322639, abs=5e-8)
    for name in ("weighted", "enumeration"):
        assert found[f"{name}_above_exact"] == pytest.approx(per_million[name] / per_million["exact"] - 1)
    assert found["weighted_above_exact"] == pytest.approx(0.25, abs=1e-6)
    assert found["weighted_above_enumeration"] == pytest.approx(0, abs=1e-9)


def test_a_comparison_of_methods_proven_to_have_no_plan_is_done(place: Harness, tmp_path: Path) -> None:
    rates = tmp_path / "rates.csv"
    rates.write_text("gpu_type,tp,layers,tokens_per_s\nA100,1,1,50\nA100,1,3,500\n")
    done = place(*at("tiny"), "--compare", "--sizes", "4", "--rates", str(rates))
    assert done.code == 0
    assert done.out.count("no plan found") == 2


def test_the_comparison_as_text(place: Harness) -> None:
    lines = place(*at("small"), "--compare").out.splitlines()
    assert [line.split()[0] for line in lines[3:6]] == ["weighted", "enumeration", "exact"]
    assert lines[3].split()[5:7] == ["25.0", "%"]
    assert lines[-1] == "a token of the weighted method costs as much as of the enumeration"


def test_a_method_without_a_plan_is_an_answer(place: Harness, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FIXTURES / "small", tmp_path / "small"))
    config = folder / "config.csv"
    config.write_text(config.read_text().replace("max_hourly_cost,999", "max_hourly_cost,0.1"))
    assert "0.1" in config.read_text()
    for method in ("weighted", "enumeration"):
        done = place("--config-dir", str(folder), "--method", method)
        assert (done.code, done.out) == (3, "")
        assert done.err.startswith("harness: no plan costs 0.1 USD/h or less; ")
        assert "the cheapest plan costs 0.6" in done.err


def test_ctrl_c_prints_the_best_plan_so_far(place: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def interrupted(search: Search, usd_per_hour: float, cost_weight: float) -> Solve:
        asked.append(usd_per_hour)
        if len(asked) == 8:
            signal.raise_signal(signal.SIGINT)
        return solve_within(search, usd_per_hour, cost_weight)

    monkeypatch.setattr(enumeration_module, "solve_within", interrupted)
    done = place(*at("small"), "--method", "enumeration")
    assert done.code == 20
    assert done.out.startswith("small-12-layers")
    assert "enumeration: 0.0403298 USD per million tokens" in done.out
    assert "interrupted: the best plan so far, NOT proven" in done.out
    asked.clear()
    found = place(*at("small"), "--method", "enumeration", "--json")
    assert (found.code, found.json["interrupted"], found.json["all_solves_proven"]) == (20, True, False)


def test_ctrl_c_reaches_a_milp_that_hears_nothing() -> None:
    command = [str(Path(sys.executable).with_name("harness")), "place", *at("medium")]
    options = ["--method", "weighted", "--rules", "documented"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        time.sleep(3)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 20, err
    assert b"Traceback" not in err
    assert b"interrupted" in out + err


def test_the_audit_ends_at_the_exact_optimum(place: Harness) -> None:
    found = place(*at("medium"), "--audit", "--json").json
    rungs = found["cheapest_token"]["rungs"]
    assert rungs[0]["figure"] == pytest.approx(0.191477, abs=5e-7)
    assert rungs[-1]["figure"] == pytest.approx(0.0986975, abs=5e-8)
    product = 1.0
    for rung in rungs:
        product *= rung["factor"]
    assert product == pytest.approx(found["cheapest_token"]["total_factor"])
    assert found["rules"] == "documented"
    text = place(*at("medium"), "--audit").out
    assert "without: few segment sizes" in text
    assert "1.9400  in all" in text


def test_an_explanation_names_what_binds(place: Harness) -> None:
    done = place(*at("medium"), "--explain")
    assert "bottleneck: 4 x V100 TP2 with 7 layers" in done.out
    assert "binding: V100" in done.out
    assert "used up: V100; 5 of 8 stages" in done.out
    assert "4 other types: not used, and a few more change nothing" in done.out
    told = place(*at("medium"), "--explain", "--json").json["explanation"]
    assert told["binding"] == ["V100"]
    (v100,) = [each for each in told["gpu_types"] if each["gpu_type"] == "V100"]
    assert v100["flips_above"]["usd_per_hour"] == pytest.approx(0.3148, abs=1e-4)
    assert v100["lost"]["usd_per_million_tokens"] == pytest.approx(0.103563, abs=5e-7)
    assert (v100["used"], v100["count"], v100["useful"]["gpus"]) == (12, 12, 4)


def test_an_explanation_where_losing_a_type_leaves_nothing(place: Harness) -> None:
    out = place(*at("tiny"), "--explain", "--budget", "1.5").out
    assert "stops being the cheapest plan at this throughput" in out
    assert "no plan is left" in out


def test_a_fleet_serves_the_demand_within_the_pool(place: Harness) -> None:
    found = place(*at("medium"), "--demand", "20000", "--json").json
    assert found["tokens_per_s"] >= 20000
    assert found["lower_bound_usd_per_hour"] <= found["usd_per_hour"] * (1 + 1e-9)
    used = [gpu for plan in found["replicas"] for stage in plan["plan"] for gpu in stage["gpus"]]
    assert len(set(used)) == len(used)
    assert sum(plan["usd_per_hour"] for plan in found["replicas"]) == pytest.approx(found["usd_per_hour"])
    if found["proven_optimal"]:
        assert found["gap"] == pytest.approx(0, abs=1e-9)


def test_a_fleet_as_text(place: Harness) -> None:
    out = place(*at("medium"), "--demand", "20000").out
    assert "replicas for 20,000 tokens/s: " in out
    assert "proven optimal: no fleet serves this demand for less than" in out


@pytest.fixture
def poor(tmp_path: Path) -> tuple[str, str]:
    """Medium with a budget of 5 USD/h in its config."""
    folder = Path(shutil.copytree(FIXTURES / "medium", tmp_path / "poor"))
    config = folder / "config.csv"
    config.write_text(config.read_text().replace("max_hourly_cost,999", "max_hourly_cost,5"))
    return "--config-dir", str(folder)


def test_the_budget_in_the_config_holds_for_a_fleet(place: Harness, poor: tuple[str, str]) -> None:
    done = place(*poor, "--demand", "30000", "--json")
    assert done.code == 3
    assert done.json["infeasible"] == "no fleet serves 30000 tokens/s within max_hourly_cost"
    (relaxation,) = done.json["relaxations"]
    assert (relaxation["constraint"], relaxation["now"]) == ("max_hourly_cost", 5)
    assert relaxation["enough"] == pytest.approx(11.6)
    assert place(*poor, "--demand", "12000").code == 0


def test_the_budget_in_the_config_holds_for_the_plan_after_a_loss(
    place: Harness, poor: tuple[str, str]
) -> None:
    told = place(*poor, "--explain", "--json").json["explanation"]
    (v100,) = [each for each in told["gpu_types"] if each["gpu_type"] == "V100"]
    assert v100["lost"]["usd_per_hour"] <= 5
    pool = Path(poor[1]) / "gpu_pool.csv"
    pool.write_text(re.sub(r"(?m)^(V100,.*),0\.3$", r"\1,1000", pool.read_text()))
    assert place(*poor, "--json").json["usd_per_million_tokens"] == v100["lost"]["usd_per_million_tokens"]


def test_free_gpus_are_explained_and_launched(place: Harness, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FIXTURES / "medium", tmp_path / "free"))
    pool = folder / "gpu_pool.csv"
    pool.write_text(re.sub(r"(?m)^(V100,.*),0\.3$", r"\1,0", pool.read_text()))
    out = place("--config-dir", str(folder), "--explain").out
    assert "V100      0.103563           was free  8 x A100 TP1 (5 layers)" in out
    launched = place("--config-dir", str(folder), "--emit", "vllm", "--gpus-per-machine", "1", "--json").json
    assert launched["vllm"]["plan"]["usd_per_hour"] > 0
    assert launched["vllm"]["usd_per_token_above_answer"] is None


def test_a_launch_that_saves_money_says_so(place: Harness) -> None:
    out = place(*at("medium"), "--budget", "2.9", "--emit", "vllm").out
    assert "\n# its token costs 15.4 % less\n" in out


def test_a_demand_beyond_the_pool_is_an_answer(place: Harness) -> None:
    done = place(*at("medium"), "--demand", "1e6", "--json")
    assert done.code == 3
    assert done.json["infeasible"] == "no fleet serves 1e+06 tokens/s"
    assert 20000 < done.json["relaxations"][0]["enough"] < 1e6
    assert "at the very most" in done.err


def test_a_made_up_problem_is_written_once_and_answers(place: Harness, tmp_path: Path) -> None:
    folder, twin = tmp_path / "made up", tmp_path / "twin"
    words = ("--types", "3", "--seed", "7", "--layers", "60", "--gpus-per-type", "8-20")
    done = place("--generate", str(folder), *words)
    assert done.code == 0
    assert done.out.endswith(f"of 3 types: harness place --config-dir '{folder}'\n")
    assert place("--generate", str(twin), *words).code == 0
    assert all(
        (folder / name).read_bytes() == (twin / name).read_bytes()
        for name in ("config.csv", "gpu_pool.csv", "network_bandwidth.csv")
    )
    assert place("--config-dir", str(folder), "--json").json["problem"]["layers"] == 60
    again = place("--generate", str(folder))
    assert again.code == 4
    assert "there is something here already" in again.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--method", "weighted", "--budget", "3"], "--method weighted and --budget exclude each other"),
        (["--method", "enumeration", "--cost-weight", "0.5"], "--method enumeration and --cost-weight"),
        (["--method", "weighted", "--plot", "x.svg"], "--method weighted and --plot"),
        (["--method", "weighted", "--compare"], "--method weighted and --compare"),
        (["--compare", "--audit"], "--compare and --audit"),
        (["--audit", "--budget", "3"], "--audit and --budget"),
        (["--demand", "5", "--emit", "vllm"], "--demand and --emit"),
        (["--demand", "5", "--rules", "documented"], "--rules documented and --demand"),
        (["--demand", "0"], "'0' is not allowed (a number above 0)"),
        (["--explain", "--uniform-tp"], "--explain and --uniform-tp"),
        (["--explain", "--rules", "documented"], "--rules documented and --explain"),
        (["--time-limit", "5"], "--time-limit has no meaning for the exact method"),
        (["--gap", "0.1"], "--gap has no meaning for the exact method"),
        (["--check", "x.json", "--plot", "x.svg"], "--check RESULT.json and --plot exclude each other"),
        (["--seed", "5"], "--seed makes sense with --generate only"),
        (["--seed", "0"], "--seed makes sense with --generate only"),
        (["--cost-weight", "0", "--budget", "5"], "--cost-weight and --budget exclude each other"),
        (["--gpus-per-machine", "4"], "--gpus-per-machine makes sense with --emit only"),
        (["--types", "1001"], "'1001' is not allowed (a whole number from 1 to 1,000)"),
        (["--gpus-per-type", "4-9999"], "'9999' is not allowed (a whole number from 1 to 1,000)"),
        (["--generate", "here"], "--generate and --config-dir exclude each other"),
        (["--generate", "here", "--rules", "documented"], "exclude each other"),
    ],
)
def test_contradictions_are_one_line(place: Harness, words: list[str], says: str) -> None:
    done = place(*at("small"), *words)
    assert (done.code, done.out) == (4, "")
    assert says in done.err
    assert len(done.err.splitlines()) == 1


def test_without_a_folder_the_command_asks_for_one(place: Harness) -> None:
    done = place()
    assert done.code == 4
    assert "--config-dir" in done.err


def documented() -> list[str]:
    """The `harness place` commands of the page, those with placeholders left out."""
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    lines = [
        line.partition("harness place ")[2] for line in "".join(blocks).splitlines() if "harness" in line
    ]
    return [line for line in lines if not re.search(r"\b[A-Z]{3,}\b", line)]


@pytest.mark.parametrize("words", documented())
def test_the_commands_of_the_page_answer(
    place: Harness, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "fixtures").symlink_to(FIXTURES.parent)
    monkeypatch.chdir(tmp_path)
    done = place(*shlex.split(words))
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(("target", "competitive"), [("0.002", 6), ("4.1e-8", 3), ("1e-9", 0)])
def test_plans_above_the_target_are_not_competitive(
    place: Harness, tmp_path: Path, target: str, competitive: int
) -> None:
    problem = Path(shutil.copytree(FIXTURES / "small", tmp_path / "problem"))
    config = problem / "config.csv"
    config.write_text(re.sub(r"max_cost_per_token,.*", f"max_cost_per_token,{target}", config.read_text()))
    done = place("--config-dir", str(problem), "--method", "enumeration")
    found = place("--config-dir", str(problem), "--method", "enumeration", "--json").json
    costs = [solve["usd_per_million_tokens"] for solve in found["solves"] if solve["usd_per_million_tokens"]]
    assert found["competitive_plans"] == sum(cost <= float(target) * 1e6 for cost in costs) == competitive
    assert f"{competitive} of {len(costs)} plans cost at most" in done.out
    assert ("target too aggressive" in done.out) == (competitive == 0)


def test_the_page_shows_what_the_command_prints(place: Harness) -> None:
    (shown,) = re.findall(r"^```text\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert place(*at("medium")).out.startswith(shown)
