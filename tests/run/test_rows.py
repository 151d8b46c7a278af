"""Which rows a run selects, and what it says about those that this machine is not."""

import xml.etree.ElementTree as ET

import pytest


@pytest.fixture(scope="module")
def modelled(make_long_lived):
    """One run of rows cpu and l4: loop can be modelled on l4, loss is host-only, weights are missing."""
    project = make_long_lived("loop", "loss", "weights", "too_large")
    done = project.bench("-m", "cpu or l4", budget=2.0)
    assert done.code == 0, done.out
    return done


def test_a_row_elsewhere_is_modelled_where_a_model_is_declared(modelled):
    cell = modelled.cell("test_loop[l4]")
    assert (cell["state"], cell["model"]) == ("modelled", "toy 1")
    assert {finding["provenance"] for finding in cell["findings"]} == {"modelled"}
    assert modelled.cell("test_loop[cpu]")["state"] == "measured"
    ratio = next(f["effect"]["ratio"] for f in cell["findings"] if f["metric"] == "duration")
    assert ratio == pytest.approx(0.5)


def test_what_did_not_run_says_why_in_one_line(modelled):
    assert modelled.cell("test_loss[l4]")["state"] == "not run"
    assert modelled.cell("test_loss[l4]")["reason"].startswith("host-only: measured on row cpu")
    weights = modelled.cell("test_weights[cpu]")
    assert weights["state"] == "not run"
    assert "git checkout -- fixtures/models" in weights["reason"]
    for reason in (cell["reason"] for cell in modelled.document["cells"]):
        assert "\n" not in reason


def test_a_model_that_cannot_fit_on_a_row_is_a_reason(modelled):
    cell = modelled.cell("test_too_large[l4]")
    assert (cell["state"], cell["reason"]) == ("not run", "modelled: l4: needs 90 GiB")


def test_a_mistake_in_a_model_fails_its_test(make_project):
    done = make_project("too_large").bench("-m", "l4", TOY_FAIL="1")
    assert done.code == 1
    assert "needs 90 GiB" in done.out


def test_the_terminal_says_first_what_is_not_measured(modelled):
    header = next(line for line in modelled.out.splitlines() if line.startswith(("not measured", "hardware")))
    assert header.startswith("not measured")
    assert "l4: this machine is cpu" in header
    lines = [line for line in modelled.out.splitlines() if line.startswith("loop") and " l4 " in line]
    assert len(lines) == 2
    assert all("(modelled)" in line for line in lines)


def test_every_report_labels_modelled_figures(modelled):
    summary = (modelled.run_dir / "summary.md").read_text()
    assert summary.startswith("> **Not measured:**")
    assert sum("(modelled)" in line for line in summary.splitlines() if "| l4 |" in line) >= 2
    assert not [line for line in summary.splitlines() if "| cpu |" in line and "modelled" in line]
    cases = ET.parse(modelled.run_dir / "junit.xml").getroot().iter("testcase")
    states = {
        case.get("name"): case.find("properties/property[@name='state']").get("value") for case in cases
    }
    assert states["test_loop[l4]"] == "modelled"
    assert states["test_loop[cpu]"] == "measured"
    assert "modelled" in (modelled.run_dir / "index.html").read_text()
    interchange = (modelled.run_dir / "pytest-benchmark.json").read_text()
    assert "test_loop[cpu]" in interchange
    assert "test_loop[l4]" not in interchange


def test_modelled_only_is_green_and_measures_nothing(make_project):
    done = make_project("loop").bench("-m", "l4")
    assert done.code == 0, done.out
    assert [cell["state"] for cell in done.document["cells"]] == ["modelled"]
    assert done.document["machine"]["noise_floor"] is None


@pytest.mark.parametrize(
    ("arguments", "collected"),
    [
        (["--hardware", "auto"], ["loop[cpu]"]),
        (["--hardware", "l4"], ["loop[l4]"]),
        (["-m", "cpu or l4"], ["loop[cpu]", "loop[l4]"]),
        (["-m", "not l4"], ["loop[cpu]"]),
    ],
)
def test_selection(make_project, arguments, collected):
    project = make_project("loop")
    done = project.bench(*arguments, "--collect-only", "-q")
    assert done.code == 0, done.out
    assert [line.split("test_")[-1] for line in done.out.splitlines() if "::" in line] == collected
    assert project.runs() == set()


def test_rows_are_registered_markers_and_nothing_else_is(make_project):
    project = make_project("loop")
    listed = project.bench("--markers").out
    assert "@pytest.mark.l4: NVIDIA L4 (hardware row)" in listed
    assert "@pytest.mark.cpu:" in listed
    assert "@pytest.mark.h100" not in listed
    file = project.root / "benchmarks" / "test_loop.py"
    file.write_text(file.read_text().replace("def test_loop", "@pytest.mark.h100\ndef test_loop"))
    file.write_text("import pytest\n" + file.read_text())
    strange = project.bench("--collect-only", "-q")
    assert strange.code == 2
    assert "'h100' not found in `markers`" in strange.out


def test_an_endpoint_stands_in_for_missing_weights(make_project):
    project = make_project("weights")
    assert project.bench().code == 12
    served = project.bench("--endpoint", "http://127.0.0.1:9")
    assert served.cell("weights")["state"] == "measured"
