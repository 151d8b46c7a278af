import pytest

from harness.extraction.documents.limits import Limits
from harness.extraction.documents.report import UnreadableError
from harness.extraction.documents.word import read_word

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


@pytest.fixture
def save(tmp_path):
    """Saves a document that a function fills."""
    import docx

    def saving(fill=lambda document: None):
        document = docx.Document()
        fill(document)
        document.save(tmp_path / "file.docx")
        return tmp_path / "file.docx"

    return saving


def body(xml):
    """Fills a document with elements as they stand in the file."""
    from docx.oxml import parse_xml

    def fill(document):
        for element in reversed(parse_xml(f'<w:body xmlns:w="{W}" xmlns:mc="{MC}">{xml}</w:body>')):
            document.element.body.insert(0, element)

    return fill


MC = "http://schemas.openxmlformats.org/markup-compatibility/2006"


def test_paragraphs_and_tables_stand_in_their_order(save):
    def fill(document):
        document.add_heading("Terms", 1)
        document.add_paragraph("Before.")
        table = document.add_table(2, 2)
        for cell, text in zip(
            [*table.rows[0].cells, *table.rows[1].cells],
            ["Ratio", "Level", "DSCR", "1.20x\nor more"],
            strict=True,
        ):
            cell.text = text
        document.add_paragraph("After.")

    assert read_word(save(fill), Limits()).text == (
        "# Terms\nBefore.\nRatio | Level\nDSCR | 1.20x or more\n\nAfter.\n"
    )


def test_a_table_in_a_cell_stays_in_its_cell_and_merged_cells_stand_once(save):
    def fill(document):
        table = document.add_table(2, 2)
        merged = table.rows[0].cells[0].merge(table.rows[0].cells[1])
        merged.text = "Wide"
        inner = table.rows[1].cells[0].add_table(1, 2)
        inner.rows[0].cells[0].text, inner.rows[0].cells[1].text = "in", "side"
        table.rows[1].cells[1].text = "beside"

    assert read_word(save(fill), Limits()).text == "Wide\nin side | beside\n\n"


def test_insertions_controls_and_links_are_read_and_deletions_are_not(save):
    xml = (
        "<w:p><w:r><w:t>Margin </w:t></w:r><w:del><w:r><w:delText>2.00%</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>2.50%</w:t></w:r></w:ins></w:p>"
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>Controlled</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        "<w:p><w:hyperlink><w:r><w:t>Linked</w:t></w:r></w:hyperlink><w:r><w:tab/><w:t>tabbed</w:t></w:r></w:p>"
    )
    assert read_word(save(body(xml)), Limits()).text == "Margin 2.50%\nControlled\nLinked\ttabbed\n"


def test_a_text_box_is_read_once(save):
    box = "<w:r><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></w:r>"
    xml = (
        "<w:p><w:r><w:t>Text </w:t></w:r><mc:AlternateContent>"
        f'<mc:Choice Requires="wps">{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>'
        "</mc:AlternateContent></w:p>"
    )
    assert read_word(save(body(xml)), Limits()).text == "Text boxed\n\n"


def test_pages_begin_at_manual_breaks_where_word_laid_nothing_out(save):
    xml = '<w:p><w:r><w:t>one</w:t><w:br w:type="page"/></w:r></w:p><w:p><w:r><w:t>two</w:t></w:r></w:p>'
    content = read_word(save(body(xml)), Limits())
    assert (content.text, content.pages) == ("one\ntwo\n", (0, 3))


def test_pages_begin_where_word_laid_them_out(save):
    xml = (
        "<w:p><w:r><w:t>EUR 250,</w:t><w:lastRenderedPageBreak/><w:t>000</w:t></w:r></w:p>"
        "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc></w:tr>"
        "<w:tr><w:tc><w:p><w:r><w:lastRenderedPageBreak/><w:t>b</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
    )
    content = read_word(save(body(xml)), Limits())
    assert content.text == "EUR 250,000\na\nb\n\n"
    assert [content.text[start:] for start in content.pages[1:]] == ["000\na\nb\n\n", "b\n\n"]


def test_footnotes_stand_at_the_end(save, repack):
    path = save(lambda document: document.add_paragraph("Text."))
    import zipfile

    with zipfile.ZipFile(path) as archive:
        relations = archive.read("word/_rels/document.xml.rels").decode()
        types = archive.read("[Content_Types].xml").decode()
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    notes = (
        f'<w:footnotes xmlns:w="{W}"><w:footnote w:type="separator"><w:p><w:r><w:t>line</w:t></w:r></w:p>'
        "</w:footnote><w:footnote><w:p><w:r><w:t>A note.</w:t></w:r></w:p></w:footnote></w:footnotes>"
    )
    related = f'<Relationship Id="rId99" Type="{office}/footnotes" Target="footnotes.xml"/></Relationships>'
    typed = f'<Override PartName="/word/footnotes.xml" ContentType="{kind}"/></Types>'
    repack(
        path,
        {
            "word/footnotes.xml": notes.encode(),
            "word/_rels/document.xml.rels": relations.replace("</Relationships>", related).encode(),
            "[Content_Types].xml": types.replace("</Types>", typed).encode(),
        },
    )
    assert read_word(path, Limits()).text == "Text.\nA note.\n"


def test_entities_are_not_expanded(save, repack):
    path = save()
    bomb = (
        '<!DOCTYPE d [<!ENTITY a "ten chars."><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        f'<w:document xmlns:w="{W}"><w:body><w:p><w:r><w:t>x&b;&b;y</w:t></w:r></w:p></w:body></w:document>'
    )
    repack(path, {"word/document.xml": bomb.encode()})
    assert "ten chars." not in read_word(path, Limits()).text


def test_too_much_text(save):
    with pytest.raises(UnreadableError, match="over 5 characters"):
        read_word(save(lambda document: document.add_paragraph("A long text.")), Limits(characters=5))


def test_what_unpacks_to_too_much_is_not_unpacked(save, repack):
    path = save()
    repack(path, {"word/media/bomb.bin": bytes(20 << 20)})
    with pytest.raises(UnreadableError, match="unpacks to"):
        read_word(path, Limits(unpacked_bytes=10 << 20))


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04 cut off", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_document(tmp_path, data):
    (tmp_path / "file.docx").write_bytes(data)
    with pytest.raises(UnreadableError, match="is no DOCX file or a broken one"):
        read_word(tmp_path / "file.docx", Limits())


def test_a_broken_document(save, repack):
    path = save()
    repack(path, {"word/document.xml": b"<unclosed>"})
    with pytest.raises(UnreadableError, match="broken one"):
        read_word(path, Limits())
