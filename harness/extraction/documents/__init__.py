"""Files in: the texts of a company's folder, each with its pages, and a line about every file."""

from harness.extraction.documents.folder import (
    ReadCompany,
    ReadFolder,
    ReadRoot,
    read_companies,
    read_company,
    read_documents,
)
from harness.extraction.documents.limits import Limits
from harness.extraction.documents.report import FileReport

__all__ = [
    "FileReport",
    "Limits",
    "ReadCompany",
    "ReadFolder",
    "ReadRoot",
    "read_companies",
    "read_company",
    "read_documents",
]
