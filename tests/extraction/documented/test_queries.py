"""Queries: every keyword of a group once, and the language of the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction.documented.queries import detection_queries, field_queries, group_query, language
from harness.extraction.documented.settings import PARTITIONS
from harness.extraction.schema.fields import FIELDS

TEXTS = {
    "en": "The Borrower shall repay the loan to the Lenders under the terms of this agreement",
    "es": "El prestatario debe pagar a los bancos el importe que se indica en las cláusulas",
    "fr": "Le prêteur met à la disposition de l'emprunteur les fonds dans une limite",
    "de": "Der Kreditnehmer zahlt die Zinsen an den Agenten und das Darlehen ist mit der Marge nicht",
    "nl": "Het krediet van de bank wordt aan een kredietnemer verstrekt en de rente is niet voor het jaar",
    "pt": "O mutuário não pode dispor do crédito em uma data da sua escolha, ao abrigo do contrato,",
    "it": "Il mutuatario paga gli interessi alla banca per una somma che sono della parte nel contratto",
    "pl": "Kredytobiorca nie może w terminie oraz na warunkach, które się stosuje do umowy, przez bank",
}


@pytest.mark.parametrize("name", TEXTS)
def test_languages_are_told_by_their_frequent_words(name):
    assert language(TEXTS[name]) == name
    english = detection_queries(TEXTS["en"])
    assert len(english) == 5
    assert detection_queries(TEXTS[name])[:5] == english
    assert (len(detection_queries(TEXTS[name])) > 5) == (name != "en")


@given(st.text(max_size=200))
def test_any_text_has_queries(text):
    assert language("") == "en"
    assert all(detection_queries(text))


@pytest.mark.parametrize("groups", PARTITIONS)
def test_a_groups_query_has_its_keywords_and_names_and_no_facility(groups):
    for group in PARTITIONS[groups]:
        query = group_query(group)
        for key in group.fields:
            assert FIELDS[key].name in query
            assert all(keyword in query for keyword in FIELDS[key].keywords)
        # a keyword of two fields stands there once, beside those within other words and names
        first = FIELDS[group.fields[0]].keywords[0]
        assert query.startswith(first)


def test_a_fields_queries_are_its_keywords_its_name_and_its_description():
    for field in FIELDS.values():
        assert field_queries(field) == (" ".join(field.keywords), field.name, field.description)
