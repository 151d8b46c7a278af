"""Regenerate locks/: `make lock`.

The extras that install on a CPU are resolved once, together, so that any of them share one environment; the result is
split so that core.txt is complete and every other file lists what it adds to core.txt. `gpu` pins its own numba and the
CUDA libraries, so it is resolved by itself, for Linux, and its file is complete.

torch is in no hashed file: its build differs per machine. Nothing here downloads a wheel: only metadata is read.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "locks"
OLDEST_PYTHON = "3.11"
GPU_EXTRAS = ("gpu",)
TORCH = "torch"

# What torch's CPU build depends on. The wheel on the package index would bring CUDA libraries into the CPU lock.
CPU_TORCH = """
[[dependency-metadata]]
name = "torch"
version = "2.13.0"
requires-dist = [
    "filelock", "fsspec>=0.8.5", "jinja2", "networkx>=2.5.1", "setuptools>=77.0.3", "sympy>=1.13.3",
    "typing-extensions>=4.10.0",
]
"""
# flash-attn is published as source that needs torch and nvcc even to say what it depends on.
SOURCE_ONLY = """
[[dependency-metadata]]
name = "flash-attn"
requires-dist = ["torch", "einops"]
"""


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {"core": [], **project["optional-dependencies"]}
    cpu = [name for name in extras if name not in GPU_EXTRAS]
    with tempfile.TemporaryDirectory() as folder:
        uv = _install_uv(Path(folder))
        everything = _resolve(uv, Path(folder), cpu, CPU_TORCH, [])
        constraint = Path(folder) / "everything.txt"
        constraint.write_text("\n".join(everything.values()))
        core: dict[str, str] = {}
        for name in cpu:
            pins = _resolve(uv, Path(folder), [name], CPU_TORCH, [f"--constraint={constraint}"])
            added = {package: pin for package, pin in pins.items() if package not in core}
            core = core or added
            _write(name, added, "" if name == "core" else "What this extra adds to core.txt.")
        for name in GPU_EXTRAS:
            linux = ["--python-platform=x86_64-manylinux_2_28"]
            pins = _resolve(uv, Path(folder), ["models", name], SOURCE_ONLY, linux)
            pins.pop("flash-attn")  # built against the torch and nvcc of the machine: see the Makefile
            _write(name, pins, "Complete, resolved apart from the CPU extras; for Linux with an NVIDIA driver.")


def _install_uv(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([folder / "venv/bin/pip", "install", "--quiet", "uv"], check=True)
    return folder / "venv/bin/uv"


def _resolve(uv: Path, folder: Path, extras: list[str], metadata: str, options: list[str]) -> dict[str, str]:
    """Map each package of the resolution to its lines in requirements format: pins, markers, hashes."""
    config = folder / "uv.toml"
    config.write_text(metadata)
    platform = [] if any("platform" in option for option in options) else ["--universal"]
    chosen = [f"--extra={name}" for name in extras if name != "core"]
    command = [uv, "pip", "compile", "--config-file", config, "--quiet", "--generate-hashes", "--no-annotate",
               "--no-header", "--no-emit-index-url", f"--python-version={OLDEST_PYTHON}", *platform, *chosen,
               *options, "pyproject.toml"]  # fmt: skip
    text = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    pins: dict[str, str] = {}
    for block in re.findall(r"^\S.*(?:\n\s+.*)*", text, re.MULTILINE):
        package = re.match(r"[\w.-]+", block)
        if package is None:
            raise SystemExit(f"scripts/lock.py: no package name in {block[:80]!r}")
        pins[package[0]] = pins.get(package[0], "") + block + "\n"
    return pins


def _write(name: str, pins: dict[str, str], what: str) -> None:
    lines = ["# Made by `make lock`; do not edit.", *([f"# {what}"] if what else [])]
    torch = pins.pop(TORCH, None)
    if torch is not None:
        version = torch.split()[0].rstrip(" \\")
        (LOCKS / "torch.txt").write_text(f"# Without a hash: the build differs per machine (CPU, CUDA).\n{version}\n")
        lines.append("# torch is in torch.txt.")
    (LOCKS / f"{name}.txt").write_text("\n".join(lines) + "\n" + "".join(pins[key] for key in sorted(pins)))


if __name__ == "__main__":
    main()
