"""Where numbers come from: the commit, and hashes of the benchmark and of what it works on."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def commit(root: Path) -> tuple[str, bool]:
    """(commit id, whether the tree differs from it); ("", False) outside a git checkout."""
    head = _git(root, "rev-parse", "HEAD")
    if head is None:
        return "", False
    return head.strip(), bool((_git(root, "status", "--porcelain", "--untracked-files=no") or "").strip())


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def benchmark_hash(source: str) -> str:
    """Hash of a benchmark file's lines, without comment lines, blank lines and trailing blanks.

    Line based, so that it is the same under every Python version.
    """
    lines = (line.rstrip() for line in source.splitlines())
    kept = [line for line in lines if line and not line.lstrip().startswith("#")]
    return _digest("\n".join(kept).encode())


def workload_hash(inputs: Iterable[tuple[str, Path]], params: Mapping[str, Any]) -> str:
    """Hash of the named input files and folders (names and contents) and of the cell's parameters."""
    parts = [json.dumps({str(k): repr(v) for k, v in params.items()}, sort_keys=True)]
    for name, path in sorted(inputs):
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            relative = file.relative_to(path).as_posix() if path.is_dir() else ""
            parts.append(f"{name}/{relative}:{hashlib.sha256(file.read_bytes()).hexdigest()}")
    return _digest("\n".join(parts).encode())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
