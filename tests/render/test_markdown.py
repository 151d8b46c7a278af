import re

import pytest
import sample

from harness.render import summary

HOSTILE = "<script>alert(1)</script> | `x` **b** [l](https://e.example) @org/team <!-- -->\n# h"


def table_rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| optim")]


def test_the_headline_comes_first_unless_something_was_not_measured() -> None:
    measured = summary([sample.document([sample.cell("x")])])
    assert measured.startswith("**1 improved, 0 regressed")
    modelled = summary([sample.realistic()])
    assert modelled.startswith("> **Not measured:** 4 figures for a100_40gb, h100, l4")


def test_unchanged_rows_stand_only_in_the_folded_table() -> None:
    text = summary([sample.realistic()])
    open_part, folded = text.split("<details><summary>All figures</summary>")
    assert "thread_sizing" not in open_part
    assert "thread_sizing" in folded
    assert "score_kernel" in open_part
    assert "noise floor 1.1 %" in folded
    assert "Not run, by reason" in folded


def test_modelled_rows_are_marked() -> None:
    rows = [row for row in table_rows(summary([sample.realistic()])) if "flash_attention" in row]
    assert rows
    assert all("(modelled)" in row for row in rows)


def test_data_cannot_write_markup() -> None:
    text = summary([sample.hostile(HOSTILE)])
    ours = re.sub(r"</?(details|summary)>|<details><summary>", "", text)
    assert "<" not in re.sub(r"&lt;", "", ours)
    assert "https://" not in text
    assert "@org" not in text
    for row in table_rows(text):
        assert len(re.findall(r"(?<!\\)\|", row)) == 9


@pytest.mark.parametrize("most_bytes", [60_000, 1024 * 1024])
def test_the_cap_holds_and_the_largest_effects_stay(most_bytes: int) -> None:
    text = summary([sample.many(9000)], most_bytes=most_bytes)
    assert len(text.encode()) <= most_bytes
    dropped = re.search(r"([\d,]+) of 9,000 rows left out, the smallest effects", text)
    assert dropped
    assert int(dropped[1].replace(",", "")) > 0
    assert "| 0.500 \\[0.490, 0.510\\] |" in text
    assert text.endswith("gate passed.  \n")


def test_what_fits_is_whole() -> None:
    text = summary([sample.many(300)])
    assert "left out" not in text
    assert len(table_rows(text.split("All figures")[1])) == 300
