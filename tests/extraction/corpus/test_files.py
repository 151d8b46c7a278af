import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.extraction.company import Company, Document
from harness.extraction.corpus import TRUTH, read_truth, write_company
from harness.extraction.documents import read_company
from harness.extraction.truth import Truth


def test_what_is_written_is_read(small: list[Truth], tmp_path: Path) -> None:
    for truth in small:
        write_company(truth, tmp_path / truth.company.name)
        assert read_truth(tmp_path / truth.company.name) == truth


def test_readers_of_documents_see_the_same_company(small: list[Truth], tmp_path: Path) -> None:
    for truth in small[::3]:
        write_company(truth, tmp_path / truth.company.name)
        read = read_company(tmp_path / truth.company.name)
        assert read.company == truth.company
        assert read.company.digest == truth.company.digest
        assert any(len(document.pages) > 1 for document in truth.company.documents)


def test_writing_twice_leaves_the_same_files(small: list[Truth], tmp_path: Path) -> None:
    def files() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(tmp_path.iterdir())}

    write_company(small[0], tmp_path)
    before = files()
    write_company(small[0], tmp_path)
    assert files() == before
    assert set(before) == {TRUTH, *(each.name for each in small[0].company.documents)}


def test_a_missing_truth_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"there is no truth\.json.*corpus generate"):
        read_truth(tmp_path)


def test_a_changed_or_missing_document_is_refused(small: list[Truth], tmp_path: Path) -> None:
    write_company(small[0], tmp_path)
    document = tmp_path / small[0].company.documents[0].name
    document.write_bytes(document.read_bytes() + b" ")
    with pytest.raises(HarnessError, match="not the text that the truth was written for"):
        read_truth(tmp_path)
    document.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(HarnessError, match="cannot be read"):
        read_truth(tmp_path)
    document.unlink()
    with pytest.raises(HarnessError, match="the document is missing"):
        read_truth(tmp_path)


SPOILT: dict[str, Callable[[Any], object]] = {
    "no values": lambda found: found.pop("values"),
    "values of another type": lambda found: found.update(values=3),
    "a span outside": lambda found: found["values"][0].update(spans=[[[0, 10**9]]]),
    "a span of letters": lambda found: found["values"][0].update(spans=[[["a", "b"]]]),
    "a span backwards": lambda found: found["values"][0].update(spans=[[[5, 4]]]),
    "tags that are no list": lambda found: found["values"][0].update(tags="table"),
    "no field": lambda found: found["values"][0].pop("field"),
    "another version": lambda found: found.update(format=99),
    "a document above": lambda found: found["documents"][0].update(name="../outside.txt"),
    "a document elsewhere": lambda found: found["documents"][0].update(name="/etc/hostname"),
    "facilities of another type": lambda found: found.update(facilities=[1]),
}


@pytest.mark.parametrize("change", SPOILT.values(), ids=SPOILT)
def test_a_spoilt_truth_is_refused(
    change: Callable[[Any], object], small: list[Truth], tmp_path: Path
) -> None:
    write_company(small[0], tmp_path)
    found = json.loads((tmp_path / TRUTH).read_text())
    change(found)
    (tmp_path / TRUTH).write_text(json.dumps(found))
    with pytest.raises(HarnessError):
        read_truth(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"text"'])
def test_what_is_no_truth_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / TRUTH).write_text(content)
    with pytest.raises(HarnessError):
        read_truth(tmp_path)


def test_pages_that_a_text_file_cannot_keep_are_refused(tmp_path: Path) -> None:
    company = Company("a", (Document("a.txt", "one two", (0, 4)),))
    with pytest.raises(HarnessError, match="cannot be kept"):
        write_company(Truth(company, (), {}, {}, {}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_the_users_to_mend(small: list[Truth], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match="cannot be written"):
        write_company(small[0], tmp_path / "file" / "below")
