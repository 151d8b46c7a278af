"""A company's folder: every file below it read, or a line that says why not."""

from __future__ import annotations

import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from harness.errors import HarnessError
from harness.extraction.company import Company, Document
from harness.extraction.documents.limits import Limits
from harness.extraction.documents.pdf import read_pdf
from harness.extraction.documents.plain import read_plain
from harness.extraction.documents.report import Content, FileReport, Outcome, UnreadableError, one_line
from harness.extraction.documents.word import read_word
from harness.extraction.documents.workbook import read_workbook

READERS: Mapping[str, Callable[[Path, Limits], Content]] = MappingProxyType(
    {
        ".txt": read_plain,
        ".md": read_plain,
        ".markdown": read_plain,
        ".pdf": read_pdf,
        ".docx": read_word,
        ".xlsx": read_workbook,
        ".xlsm": read_workbook,
    }
)
"""What reads each type of file, by its suffix."""

DEFAULT = Limits()


@dataclass(frozen=True, slots=True)
class ReadFolder:
    """The texts of a folder, and a report on every file below it, both in the order of their names."""

    documents: tuple[Document, ...]
    reports: tuple[FileReport, ...]


@dataclass(frozen=True, slots=True)
class ReadCompany:
    """A company with the documents that could be read, perhaps none."""

    company: Company
    reports: tuple[FileReport, ...]


@dataclass(frozen=True, slots=True)
class ReadRoot:
    """The companies of a folder, and reports on what lies beside them."""

    companies: tuple[ReadCompany, ...]
    reports: tuple[FileReport, ...]


class _RefusedError(Exception):
    """A file that is not opened, and what its report says then."""

    def __init__(self, what: str, outcome: Outcome = "skipped") -> None:
        self.outcome = outcome
        super().__init__(what)


def read_documents(folder: Path, limits: Limits = DEFAULT) -> ReadFolder:
    """All files below a folder. A file that cannot be read has its report and stops no other.

    Links are followed to files below the folder, never out of it. Raises HarnessError for a folder that is
    not there or cannot be listed.
    """
    _refuse_missing(folder)
    documents, reports = [], []
    paths = list(islice(_files(folder), limits.files + 1))
    if len(paths) > limits.files:
        what = f"and all that follows: over {limits.files:,} files, the limit"
        reports.append(FileReport(_name(folder, paths.pop()), "not read", what))
    named: dict[Path, str] = {}
    # links last, so that a file is read by its own name
    for path in sorted(paths, key=_is_link):
        document, report = _read(folder, path, limits, named)
        reports.append(report)
        if document is not None:
            documents.append(document)
    if not reports:
        reports.append(FileReport(".", "skipped", "the folder is empty"))
    return ReadFolder(
        tuple(sorted(documents, key=lambda document: document.name)),
        tuple(sorted(reports, key=lambda report: report.name)),
    )


def read_company(folder: Path, limits: Limits = DEFAULT) -> ReadCompany:
    """The company that a folder is, by the folder's name. See `read_documents`."""
    read = read_documents(folder, limits)
    return ReadCompany(Company(_shown(folder.resolve().name), read.documents), read.reports)


def read_companies(root: Path, limits: Limits = DEFAULT, *, only: Collection[str] = ()) -> ReadRoot:
    """The companies of a folder, each the subfolder of its name, in the order of the names; of them those
    with a name in `only`, where it has any.

    Files beside the subfolders, hidden folders and links are skipped. Raises HarnessError where there is no
    subfolder, and for a name that none has.
    """
    _refuse_missing(root)
    companies, reports = [], []
    folders: dict[str, Path] = {}
    for path in _listed(root):
        if path.name.startswith(".") or not _is_folder(path):
            reports.append(FileReport(_name(root, path), "skipped", "is no company's folder"))
        else:
            folders[_name(root, path)] = path
    if not folders:
        raise HarnessError(
            "holds no company's folder",
            where=str(root),
            next_step="put the files of each company into a folder of its own there, named like the company",
        )
    for name in only:
        if name not in folders:
            raise HarnessError(f"there is no company {name!r}", where=str(root), allowed=", ".join(folders))
    for name, path in folders.items():
        if only and name not in only:
            continue
        try:
            companies.append(read_company(path, limits))
        except HarnessError as error:
            reports.append(FileReport(name, "not read", error.what))
    return ReadRoot(tuple(companies), tuple(reports))


def _read(
    folder: Path, path: Path, limits: Limits, named: dict[Path, str]
) -> tuple[Document | None, FileReport]:
    name = _name(folder, path)
    try:
        _admit(folder, path, name, limits, named)
        content = READERS[path.suffix.lower()](path, limits)
        if not content.text.strip():
            raise UnreadableError("holds no text")
        if len(content.text) > limits.characters:
            raise UnreadableError(
                f"has {len(content.text):,} characters, over the limit of {limits.characters:,}"
            )
    except _RefusedError as refused:
        return None, FileReport(name, refused.outcome, one_line(str(refused)))
    except UnreadableError as error:
        return None, FileReport(name, "not read", one_line(str(error)))
    except OSError as error:
        return None, FileReport(name, "not read", _why(error))
    except ModuleNotFoundError as error:
        what = f"needs the package {error.name}, which is not installed; make install EXTRA=extraction"
        return None, FileReport(name, "not read", what)
    except (MemoryError, RecursionError) as error:
        return None, FileReport(name, "not read", f"is too large or too deep ({type(error).__name__})")
    document = Document(name, content.text, content.pages)
    outcome: Outcome = "partly read" if content.is_partial else "read"
    what = one_line("; ".join(content.notes))
    return document, FileReport(name, outcome, what, len(content.pages), len(content.text))


def _admit(folder: Path, path: Path, name: str, limits: Limits, named: dict[Path, str]) -> None:
    """Raise _RefusedError for what is not to be opened."""
    if _is_link(path):
        _follow(folder, path)
    if path.is_dir():
        if path.name.startswith("."):
            raise _RefusedError("is a hidden folder")
        raise _RefusedError("cannot be listed", "not read")
    if path.name.startswith((".", "~$")):
        raise _RefusedError("is a hidden file" if path.name.startswith(".") else "is an editor's lock file")
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise _RefusedError("is no ordinary file")
    if path.suffix.lower() not in READERS:
        raise _RefusedError(f"is of no type that is read (allowed: {', '.join(READERS)})")
    if status.st_size > limits.file_bytes:
        what = f"has {status.st_size:,} bytes, over the limit of {limits.file_bytes:,}; split it"
        raise _RefusedError(what, "not read")
    first = named.setdefault(path.resolve(), name)
    if first != name:
        raise _RefusedError(f"is the same file as {first}")


def _follow(folder: Path, path: Path) -> None:
    """Raise _RefusedError for a link that is not followed."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise _RefusedError("is a link to nothing") from None
    if not target.is_relative_to(folder.resolve()):
        raise _RefusedError("is a link that leaves the folder")
    if target.is_dir():
        raise _RefusedError("is a link to a folder")


def _files(folder: Path) -> Iterator[Path]:
    """Everything below a folder that is no folder to enter, in the order of the names."""
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        if path != folder and (path.name.startswith(".") or not _is_folder(path)):
            yield path
            continue
        try:
            waiting += reversed(_listed(path))
        except HarnessError:
            if path == folder:
                raise
            yield path


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(_mode(path))


def _is_link(path: Path) -> bool:
    return stat.S_ISLNK(_mode(path))


def _mode(path: Path) -> int:
    """What it is itself, links not followed; 0 where that may not be known."""
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise HarnessError(f"cannot be listed: {_why(error)}", where=str(folder)) from None


def _why(error: OSError) -> str:
    return one_line(error.strerror or type(error).__name__).lower()


def _refuse_missing(folder: Path) -> None:
    if not folder.is_dir():
        raise HarnessError("is no folder", where=str(folder), next_step="name a folder of documents")


def _name(folder: Path, path: Path) -> str:
    return _shown(path.relative_to(folder).as_posix())


def _shown(name: str) -> str:
    """A name as text: bytes and characters that would break a line are escaped, so backslashes are too: two
    names never become one."""
    name = name.replace("\\", r"\\").encode("utf-8", "backslashreplace").decode()
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in name)
