import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.extraction.documents import Limits, read_companies, read_company, read_documents


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "Alder Wind"
    folder.mkdir()
    return folder


def lines(folder, **limits):
    return [report.line for report in read_documents(folder, Limits(**limits)).reports]


def test_every_file_is_read_in_the_order_of_its_name(folder, make_pdf):
    import docx
    from openpyxl import Workbook

    (folder / "notes").mkdir()
    (folder / "notes" / "mail.md").write_text("# Mail\n")
    (folder / "b.TXT").write_text("Margin 2.50%\n")
    (folder / "a.pdf").write_bytes(make_pdf([["Page one"], ["Page two"]]))
    document = docx.Document()
    document.add_paragraph("Paragraph")
    document.save(folder / "c.docx")
    book = Workbook()
    book.active.append(["cell", 1])
    book.save(folder / "d.xlsx")
    read = read_documents(folder)
    assert [(each.name, each.text) for each in read.documents] == [
        ("a.pdf", "Page one\nPage two\n"),
        ("b.TXT", "Margin 2.50%\n"),
        ("c.docx", "Paragraph\n"),
        ("d.xlsx", "# Sheet\n\ncell | 1\n\n"),
        ("notes/mail.md", "# Mail\n"),
    ]
    assert [each.line for each in read.reports] == [
        "a.pdf: read, 2 pages, 18 characters",
        "b.TXT: read, 1 page, 13 characters",
        "c.docx: read, 1 page, 10 characters",
        "d.xlsx: read, 1 page, 19 characters",
        "notes/mail.md: read, 1 page, 7 characters",
    ]


def test_a_bad_file_has_its_line_and_stops_no_other(folder, make_pdf):
    (folder / "a.pdf").write_bytes(make_pdf([["x"]])[:40])
    (folder / "b.docx").write_bytes(b"")
    (folder / "c.xlsx").write_bytes(b"\xd0\xcf\x11\xe0")
    (folder / "d.msg").write_bytes(b"mail")
    (folder / "e.txt").write_bytes(b" \n ")
    (folder / "f.txt").write_bytes(bytes(100))
    (folder / "g.txt").write_text("good\n")
    read = read_documents(folder)
    assert [each.name for each in read.documents] == ["g.txt"]
    found = [each.line for each in read.reports]
    assert len(found) == 7
    assert all("\n" not in line for line in found)
    assert found[0].startswith("a.pdf: not read; ")
    assert found[1] == "b.docx: not read; is no DOCX file or a broken one"
    assert "c.xlsx: not read; is of an old Office format or has a password" in found[2]
    assert found[3].startswith("d.msg: skipped; is of no type that is read (allowed: .txt, .md, ")
    assert found[4] == "e.txt: not read; holds no text"
    assert found[5] == "f.txt: not read; is no text: it has zero bytes"


def test_a_text_file_of_400_mb_is_not_read(folder):
    with (folder / "huge.txt").open("wb") as file:
        file.truncate(400 << 20)
    (folder / "small.txt").write_text("text\n")
    assert lines(folder) == [
        "huge.txt: not read; has 419,430,400 bytes, over the limit of 67,108,864; split it",
        "small.txt: read, 1 page, 5 characters",
    ]


def test_too_much_text_in_a_file(folder):
    (folder / "a.txt").write_text("x" * 101)
    assert lines(folder, characters=100) == ["a.txt: not read; has 101 characters, over the limit of 100"]


def test_too_many_files_are_counted_off(folder):
    for name in "abcd":
        (folder / f"{name}.txt").write_text("text\n")
    assert lines(folder, files=2) == [
        "a.txt: read, 1 page, 5 characters",
        "b.txt: read, 1 page, 5 characters",
        "c.txt: not read; and all that follows: over 2 files, the limit",
    ]


def test_an_empty_folder_says_so(folder):
    read = read_documents(folder)
    assert read.documents == ()
    assert [each.line for each in read.reports] == [".: skipped; the folder is empty"]


@pytest.mark.parametrize("name", ["missing", "file.txt"])
def test_what_is_no_folder_is_refused(folder, name):
    (folder / "file.txt").write_text("text")
    with pytest.raises(HarnessError, match="is no folder"):
        read_documents(folder / name)


def test_hidden_files_and_folders_are_skipped(folder):
    (folder / ".git").mkdir()
    (folder / ".git" / "a.txt").write_text("text")
    (folder / ".b.txt").write_text("text")
    (folder / "~$c.docx").write_text("text")
    assert lines(folder) == [
        ".b.txt: skipped; is a hidden file",
        ".git: skipped; is a hidden folder",
        "~$c.docx: skipped; is an editor's lock file",
    ]


def test_links_out_of_the_folder_are_not_followed(folder, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    (folder / "a.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    (folder / "b").symlink_to(tmp_path / "outside")
    (folder / "c.txt").symlink_to("../outside/secret.txt")
    (folder / "d.txt").symlink_to("nowhere")
    (folder / "e.txt").symlink_to("e.txt")
    (folder / "f").symlink_to(".")
    read = read_documents(folder)
    assert read.documents == ()
    assert [each.line for each in read.reports] == [
        "a.txt: skipped; is a link that leaves the folder",
        "b: skipped; is a link that leaves the folder",
        "c.txt: skipped; is a link that leaves the folder",
        "d.txt: skipped; is a link to nothing",
        "e.txt: skipped; is a link to nothing",
        "f: skipped; is a link to a folder",
    ]


def test_links_within_the_folder_are_read_once(folder):
    (folder / ".store").mkdir()
    (folder / ".store" / "object").write_text("kept elsewhere\n")
    (folder / "a.txt").symlink_to("z.txt")
    (folder / "b.txt").symlink_to(".store/object")
    (folder / "z.txt").write_text("text\n")
    assert lines(folder) == [
        ".store: skipped; is a hidden folder",
        "a.txt: skipped; is the same file as z.txt",
        "b.txt: read, 1 page, 15 characters",
        "z.txt: read, 1 page, 5 characters",
    ]


def test_a_pipe_is_not_opened(folder):
    os.mkfifo(folder / "a.txt")
    assert lines(folder) == ["a.txt: skipped; is no ordinary file"]


def test_a_folder_that_cannot_be_listed_counts_as_not_read(folder, monkeypatch):
    (folder / "a").mkdir()
    (folder / "b.txt").write_text("text")
    listed = Path.iterdir

    def refused(path):
        if path.name == "a":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refused)
    assert lines(folder) == ["a: not read; cannot be listed", "b.txt: read, 1 page, 4 characters"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(folder):
    (folder / "a").mkdir(0o000)
    (folder / "b.txt").write_text("text")
    (folder / "b.txt").chmod(0o000)
    (folder / "c").mkdir()
    (folder / "c" / "d.txt").write_text("text")
    (folder / "c").chmod(0o400)
    try:
        assert lines(folder) == [
            "a: not read; cannot be listed",
            "b.txt: not read; permission denied",
            "c/d.txt: not read; permission denied",
        ]
    finally:
        (folder / "a").chmod(0o700)
        (folder / "c").chmod(0o700)


def test_names_stay_on_one_line_and_can_be_written(folder):
    with suppress(OSError):  # not every file system takes such a name
        (folder / "a\n===== b.txt =====\n.txt").write_text("text\n")
        (folder / os.fsdecode(b"c\xff.txt")).write_text("text\n")
    for each in read_documents(folder).documents:
        assert each.name.isprintable()
        assert each.name.encode()


@pytest.mark.parametrize(
    ("name", "package"), [("a.pdf", "pypdf"), ("a.docx", "docx"), ("a.xlsx", "openpyxl")]
)
def test_a_package_that_is_not_installed_is_named(folder, make_pdf, monkeypatch, name, package):
    import zipfile

    (folder / name).write_bytes(make_pdf([["text"]]))
    if package != "pypdf":
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("part", "text")
    monkeypatch.setitem(sys.modules, package, None)
    (line,) = lines(folder)
    assert line.startswith(
        f"{name}: not read; needs the package {package}, which is not installed; make install"
    )


def test_deep_folders_are_walked(folder):
    deep = folder
    for _ in range(300):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "a.txt").write_text("text\n")
    assert [each.text for each in read_documents(folder).documents] == ["text\n"]


def test_a_company_is_called_like_its_folder(folder):
    (folder / "a.txt").write_text("text\n")
    read = read_company(folder)
    assert read.company.name == "Alder Wind"
    assert read.company.text.endswith("text\n")


def test_each_subfolder_is_a_company(tmp_path):
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(f"{name}\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.csv").write_text("a,b\n")
    (tmp_path / "link").symlink_to("a")
    read = read_companies(tmp_path)
    assert [each.company.name for each in read.companies] == ["a", "b", "empty"]
    assert read.companies[2].company.documents == ()
    assert [each.line for each in read.reports] == [
        f"{name}: skipped; is no company's folder" for name in (".hidden", "link", "list.csv")
    ]


def test_two_names_never_become_one(folder):
    names = [b"a\nb.txt", b"a\\nb.txt", b"a\\\\nb.txt", b"\xff.txt", b"\\udcff.txt", "ü.txt".encode()]
    for number, name in enumerate(names):
        (folder / os.fsdecode(name)).write_text(f"text {number}\n")
    read = read_company(folder)
    assert len({document.name for document in read.company.documents}) == len(names)
    assert all(document.name.isprintable() for document in read.company.documents)
    assert [report.outcome for report in read.reports] == ["read"] * len(names)


def test_other_companies_are_not_read(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(f"{name}\n")
    read = read_companies(tmp_path, only=["b"])
    assert [each.company.name for each in read.companies] == ["b"]
    with pytest.raises(HarnessError, match=r"no company 'c' \(allowed: a, b\)"):
        read_companies(tmp_path, only=["b", "c"])


def test_a_folder_without_companies_says_what_to_do(folder):
    (folder / "a.txt").write_text("text\n")
    with pytest.raises(HarnessError, match="a folder of its own"):
        read_companies(folder)
