import copy
import re
import time
from html.parser import HTMLParser

import pytest
import sample
from sample import cell, document, effect, finding

from harness.render import page, view
from harness.render.html import MOST_BYTES, before_after, forest_point, heat_cells

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}\u202e\x00</style></title>"


HEADINGS = [
    "Before and after",
    "Effect sizes",
    "Optimization by hardware",
    "Claim ledger",
    "Micro-benchmarks",
    "Not run",
    "Machines and runs",
    "Every figure",
    "How to read this",
]
FIGURES = ["340,665", "131,206", "0.313 [0.309, 0.318]", "12.8 s", "2.21 s", "8.12 %", "42.1 us"]
FACTS = [
    "2bd6baf0c1d2",
    "run-20261121T010203-ab12cd",
    "llama.cpp",
    "Qwen3-4B Q4_K_M",
    "NVIDIA L4",
    "less than 5 % loss in $/token",
    "placement-optimization-summary.md",
    "thread clock",
]


class Tags(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def text_of(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", markup.replace("<wbr>", "")).split())


def test_the_page_shows_every_section_and_figure() -> None:
    text = text_of(page([sample.realistic(), sample.second_machine()]))
    for shown in HEADINGS + FIGURES + FACTS:
        assert shown in text
    assert "Gate failed: regression against the committed baseline" in text


def test_a_green_page_with_refuted_claims_says_passed() -> None:
    markup = page([sample.green()])
    assert 'class="verdict good"' in markup
    assert "Gate passed" in text_of(markup)
    assert "refuted" in markup


def test_an_unfinished_run_is_not_called_passed() -> None:
    markup = page([document([cell("x")], exit_code=None)])
    assert 'class="verdict bad"' in markup
    assert "<strong>Unfinished; continue with <code>--resume run-20261121T010203-ab12cd</code>" in markup


def test_nothing_in_the_page_can_ask_the_network_or_run() -> None:
    for markup in (page([sample.realistic()]), page([sample.hostile(HOSTILE)])):
        seen = Tags(markup).seen
        assert not {tag for tag, _ in seen} & {"script", "img", "iframe", "object", "embed", "form", "base"}
        for tag, attributes in seen:
            assert not any(name.startswith("on") for name in attributes)
            assert not attributes.get("src")
            address = attributes.get("href")
            assert (
                address is None or address.startswith("#run-") or (tag == "link" and address[:5] == "data:")
            )
        policy = next(a["content"] for _, a in seen if a.get("http-equiv") == "Content-Security-Policy")
        assert policy is not None
        assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")
        assert "url(" not in markup
        assert "@import" not in markup


def test_data_stays_data() -> None:
    markup = page([sample.hostile(HOSTILE)])
    assert "<script" not in markup
    assert "{{ 7*7 }}" in markup
    assert not re.search("[\x00\u202e]", markup)
    assert [tag for tag, _ in Tags(markup).seen].count("style") == 1


def test_ids_are_unique() -> None:
    ids = [a["id"] for _, a in Tags(page([sample.realistic(), sample.second_machine()])).seen if "id" in a]
    assert len(ids) == len(set(ids))


def test_three_thousand_cells_fit_and_what_is_left_out_is_said() -> None:
    started = time.perf_counter()
    markup = page([sample.many(3000)])
    assert time.perf_counter() - started < 30
    assert len(markup.encode()) <= MOST_BYTES
    note = re.search(r"this page leaves out ([^<]*)\. results\.json has everything", markup)
    assert note
    assert "measured rows with the smallest effects" in note[1]
    assert "0.500 [0.490, 0.510]" in markup


@pytest.mark.parametrize("text", [HOSTILE * 30, "&" * 5000, "漢" * 5000])
def test_the_cap_holds_for_long_hostile_text(text: str) -> None:
    made = sample.hostile(text)
    made["cells"] = made["cells"] * 150
    made["vanished"] = made["vanished"] * 150
    assert len(page([made]).encode()) <= MOST_BYTES


def test_a_page_that_fits_leaves_nothing_out() -> None:
    assert "leaves out" not in page([sample.realistic()])


def test_same_documents_same_bytes() -> None:
    assert page([sample.realistic()]) == page([sample.realistic()])


def test_the_pivot_keeps_hardware_apart_and_the_latest_run() -> None:
    old = document(
        [cell("x", findings=[finding(baseline=9.0)]), cell("x", "l4")], started="2026-01-01T00:00:00"
    )
    new = document([cell("x", findings=[finding(baseline=3.0)])], started="2026-02-01T00:00:00")
    for documents in ([old, new], [new, old]):
        columns, ((first, found),) = before_after(view(documents).lines)
        assert set(columns) == {"cpu", "l4"}
        shown = dict(zip(columns, found, strict=True))
        assert shown["cpu"] is not None
        assert shown["cpu"].before == "3.00 s"
        assert shown["l4"] is not None
        assert first.label == "x"


def test_measured_and_modelled_never_share_a_table_or_plot() -> None:
    markup = page([document([cell("x"), sample.modelled("x", "cpu", 0.5)])])
    measured, modelled = re.findall(r"<table class=\"pivot\">.*?</table>", markup, re.DOTALL)
    assert "0.313" in measured
    assert "0.500" not in measured
    assert "0.500" in modelled
    assert "0.313" not in modelled
    assert len(re.findall('class="chart forest"', markup)) == 2


def test_the_forest_takes_ratios_only() -> None:
    def drawn(**changes: object) -> bool:
        (line,) = view([document([cell("x", findings=[finding(**changes)])])]).lines
        return forest_point(line) is not None

    assert drawn()
    assert drawn(effect=effect(0.5, None, None))
    assert not drawn(effect=None)
    assert not drawn(effect=effect(0.0, 0.0, 0.0))
    assert not drawn(gate="bounded", verdict="unchanged", effect=effect(0.5, 0.5, 0.5), limit=1.0)


def test_the_heat_map_shows_the_gravest_measured_state() -> None:
    cells = heat_cells(view([sample.realistic(), sample.second_machine()]))
    assert cells["segment_sizes", "cpu"].state == "refused"
    assert cells["segment_sizes", "cpu"].figure == "8.12 %"
    assert cells["flash_attention", "l4"].state == "improved"
    assert cells["flash_attention", "h100"].state == "modelled"
    assert cells["flash_attention", "t4"].state == "not run"
    assert cells["score_kernel", "cpu"].state == "worse"
    assert ("gepa_threads", "l4") not in cells


def test_nothing_at_all() -> None:
    markup = page([document([]) | {"micro": [], "vanished": []}])
    assert "Nothing ran." in markup


def test_several_runs_of_one_cell_have_a_history() -> None:
    first = sample.realistic()
    second = copy.deepcopy(first)
    second["run"] |= {"id": "run-20261122T010203-ab12ce", "started": "2026-11-22T01:02:03+00:00"}
    changed = second["cells"][0]["findings"][0]["effect"]
    changed |= {name: changed[name] * 1.25 for name in ("ratio", "low", "high")}
    shown = text_of(page([second, first]))
    history = shown[shown.index("History ") : shown.index("Micro-benchmarks")]
    assert "+25.0 %" in history
    assert "+0.0 %" in history
    assert history.index("run-20261121T010203-ab12cd") < history.index("run-20261122T010203-ab12ce")


def test_a_single_run_has_no_history() -> None:
    assert "History" not in text_of(page([sample.realistic()]))


def test_two_tests_of_one_optimization_are_two_rows() -> None:
    made = [cell("x", nodeid=f"b/test_x.py::test_{name}[cpu]") for name in ("one", "two")]
    assert len(before_after(view([document(made)]).lines)[1]) == 2
