"""Regenerate locks/: `make lock`. Reads package metadata only; downloads no wheel but uv's.

The extras that install on a CPU are resolved once, together, so that any of them share one environment, and
the result is split: core.txt is complete, every other file lists what its extra adds to core.txt. `gpu` pins
an older numba and numpy, so it is resolved in a second pass over everything; its file replaces some pins.

No file names a package index. torch has no hash, for its build differs per machine.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "locks"
OLDEST_PYTHON = "3.11"
# Files of their own: torch without a hash, flash-attn because only a machine with nvcc can build it.
APART = ("torch", "flash-attn")

FLASH_ATTN_METADATA = """
[[dependency-metadata]]
name = "flash-attn"
requires-dist = ["torch", "einops"]
"""
# The index's own torch wheel would bring the CUDA libraries into the CPU lock.
CPU_TORCH_METADATA = """
[[dependency-metadata]]
name = "torch"
version = "2.13.0"
requires-dist = [
    "filelock", "fsspec>=0.8.5", "jinja2", "networkx>=2.5.1", "setuptools>=77.0.3", "sympy>=1.13.3",
    "typing-extensions>=4.10.0",
]
"""

Pins = dict[str, str]


def main() -> None:
    """Resolve, split, write; raises CalledProcessError with uv's explanation on stderr."""
    extras = list(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    cpu = [name for name in extras if name != "gpu"]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        install_uv(work)
        (work / "uv.toml").write_text(CPU_TORCH_METADATA)
        together = resolve(work, cpu)
        core = resolve(work, [], together)
        write("core", core, "Complete for the core.")
        for name in cpu:
            write(name, subtract(resolve(work, [name], together), core), "What this extra adds to core.txt.")
        (work / "uv.toml").write_text(FLASH_ATTN_METADATA)
        with_gpu = resolve(work, extras, preferred=together)
        gpu = subtract(resolve(work, ["models", "gpu"], with_gpu), core)
        write("gpu", gpu, "Complete with `models`; some pins replace those of core.txt: install it last.")
        write_apart(gpu)


def install_uv(work: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", work / "venv"], check=True)
    subprocess.run([work / "venv/bin/pip", "install", "-qq", "uv"], check=True)


def resolve(
    work: Path, extras: Sequence[str], fixed: Pins | None = None, *, preferred: Pins | None = None
) -> Pins:
    """The pins of core and `extras`: package -> its lines with versions, markers and hashes.

    `fixed` versions must be kept; `preferred` ones are kept unless something forbids them.
    """
    output, constraints = work / "out.txt", work / "constraints.txt"
    output.write_text("".join((preferred or {}).values()))
    constraints.write_text("".join((fixed or {}).values()))
    command: list[str | Path] = [work / "venv/bin/uv", "pip", "compile", "pyproject.toml", "--quiet"]
    command += ["--config-file", work / "uv.toml", "--output-file", output, "--constraint", constraints]
    command += ["--universal", f"--python-version={OLDEST_PYTHON}", "--generate-hashes"]
    command += ["--no-annotate", "--no-header", "--no-emit-index-url"]
    command += [f"--extra={name}" for name in extras]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return parse(output.read_text())


def parse(requirements: str) -> Pins:
    """Split requirements text into packages; one package may have several lines, one per Python version."""
    pins: Pins = {}
    for entry in re.findall(r"^\w.*(?:\n[ ].*)*\n", requirements, re.MULTILINE):
        name = entry.split("==")[0]
        pins[name] = pins.get(name, "") + entry
    return pins


def subtract(pins: Pins, core: Mapping[str, str]) -> Pins:
    """The pins that are not in `core` word for word."""
    return {name: text for name, text in pins.items() if core.get(name) != text}


def write(name: str, pins: Pins, what: str) -> None:
    head = ["Made by `make lock`; do not edit.", what]
    head += [f"{package} is in {package}.txt." for package in APART if package in pins]
    text = "".join(f"# {line}\n" for line in head)
    text += "".join(pins[package] for package in sorted(pins) if package not in APART)
    (LOCKS / f"{name}.txt").write_text(text)


def write_apart(pins: Pins) -> None:
    version = re.match(r"torch==[\w.]+", pins["torch"])
    assert version is not None, pins["torch"]
    (LOCKS / "torch.txt").write_text(f"# Without a hash: its build differs per machine.\n{version[0]}\n")
    (LOCKS / "flash-attn.txt").write_text("# Source only: needs torch and nvcc.\n" + pins["flash-attn"])


if __name__ == "__main__":
    main()
