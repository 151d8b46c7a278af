import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.extraction.corpus import read_cuad
from harness.extraction.corpus.histograms import positions
from harness.extraction.truth import DEAL

CONTEXT = "This Agreement is made on May 3, 2011.\r\nIt ends on May 2, 2016 or on May 2, 2018."


def question(category: str, *texts: str, context: str = CONTEXT) -> dict[str, Any]:
    answers = [{"text": text, "answer_start": context.index(text)} for text in texts]
    return {
        "id": f"one__{category}",
        "question": f'Highlight the parts (if any) related to "{category}".',
        "answers": answers,
        "is_impossible": not answers,
    }


def contract() -> dict[str, Any]:
    qas = [
        question("Agreement Date", "May 3, 2011"),
        question("Expiration Date", "May 2, 2016", "May 2, 2018"),
        question("Non-Compete"),
    ]
    return {"version": "1", "data": [{"title": "ONE", "paragraphs": [{"context": CONTEXT, "qas": qas}]}]}


def write(tmp_path: Path, found: Any) -> Path:
    path = tmp_path / "CUADv1.json"
    path.write_text(json.dumps(found), encoding="utf-8")
    return path


def test_contracts_become_companies(tmp_path: Path) -> None:
    (truth,) = read_cuad(write(tmp_path, contract()))
    assert truth.company.name == "ONE"
    assert set(truth.values) == {(DEAL, "Agreement Date"), (DEAL, "Expiration Date")}
    value = truth.values[DEAL, "Expiration Date"]
    assert value.value == "May 2, 2016"
    assert value.renderings == ("May 2, 2018",)
    texts = [truth.company.text[span.start : span.end] for spans in value.spans for span in spans]
    assert texts == ["May 2, 2016", "May 2, 2018"]
    assert sum(positions([truth]).counts) == 2


def test_paragraphs_are_documents_and_their_labels_are_joined(tmp_path: Path) -> None:
    found = contract()
    more = "Renewed on June 1, 2020."
    labelled = question("Agreement Date", "June 1, 2020", context=more)
    found["data"][0]["paragraphs"].append({"context": more, "qas": [labelled]})
    (truth,) = read_cuad(write(tmp_path, found))
    value = truth.values[DEAL, "Agreement Date"]
    texts = [truth.company.text[span.start : span.end] for spans in value.spans for span in spans]
    assert texts == ["May 3, 2011", "June 1, 2020"]
    assert len(truth.company.documents) == 2


def test_a_category_without_an_id_of_that_form_is_read_from_the_question(tmp_path: Path) -> None:
    found = contract()
    found["data"][0]["paragraphs"][0]["qas"][0]["id"] = "17"
    (truth,) = read_cuad(write(tmp_path, found))
    assert (DEAL, "Agreement Date") in truth.values


def _asked(found: dict[str, Any]) -> dict[str, Any]:
    return found["data"][0]["paragraphs"][0]["qas"][0]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda found: found.pop("data"), "CUADv1.json: has no 'data'"),
        (lambda found: found.update(data={}), "'data' is no list"),
        (lambda found: found["data"][0].pop("title"), r"data\[0\]: has no 'title'"),
        (lambda found: found["data"][0].update(paragraphs=[]), "has no paragraphs"),
        (
            lambda found: found["data"][0]["paragraphs"][0].pop("context"),
            r"paragraphs\[0\]: has no 'context'",
        ),
        (lambda found: _asked(found).update(is_impossible=True), "is_impossible is True with 1 answers"),
        (lambda found: _asked(found)["answers"][0].update(answer_start=7), "does not stand at 7"),
        (lambda found: _asked(found)["answers"][0].update(answer_start=-1), "does not stand at -1"),
        (lambda found: _asked(found)["answers"][0].update(answer_start="7"), "'answer_start' is no int"),
        (lambda found: _asked(found)["answers"].append(3), r"answers\[1\]: has no 'text'"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_another_layout_is_refused_with_its_place(change: Any, where: str, tmp_path: Path) -> None:
    found = contract()
    change(found)
    with pytest.raises(HarnessError, match=where):
        read_cuad(write(tmp_path, found))


def test_no_file_and_no_json(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no such file"):
        read_cuad(tmp_path / "none.json")
    path = tmp_path / "bad.json"
    path.write_bytes(b"\xff{")
    with pytest.raises(HarnessError, match="no readable JSON"):
        read_cuad(path)
