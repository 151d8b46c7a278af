from pathlib import Path

from harness.extraction.corpus import certificate, read_truth
from harness.extraction.corpus.sample import SAMPLE_COUNT, SAMPLE_KNOBS, SAMPLE_SEED, write_sample

SHIPPED = Path(__file__).parents[3] / "fixtures" / "corpora"


def _files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.parent != root
    }


def test_the_committed_sample_is_made_again_byte_for_byte(tmp_path: Path) -> None:
    write_sample(tmp_path)
    assert _files(tmp_path) == _files(SHIPPED)


def test_the_sample_is_small_and_solvable() -> None:
    files = _files(SHIPPED)
    assert sum(map(len, files.values())) < 300_000
    folders = sorted({name.split("/")[0] for name in files})
    assert len(folders) == SAMPLE_COUNT
    for folder in folders:
        truth = read_truth(SHIPPED / folder)
        certificate(truth)
        assert 8_000 < len(truth.company.text) / 4 < 12_000


def test_its_readme_says_how_it_was_made() -> None:
    readme = " ".join((SHIPPED / "README.md").read_text(encoding="utf-8").split())
    assert f"seed {SAMPLE_SEED}" in readme
    assert SAMPLE_KNOBS.line() in readme
