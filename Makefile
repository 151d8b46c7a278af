# `make test` and `make bench` set up .venv by themselves and install core + dev only.
# Other extras: make install EXTRA=models   (several: EXTRA="models detection")

.DEFAULT_GOAL := help
.PHONY: help test bench selftest doctor lint install flash-attn lock clean

CANDIDATES := python3 python3.13 python3.12 python3.11
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in $(CANDIDATES); do $$p -c "$(SUPPORTED)" 2>/dev/null && echo $$p && break; done)
ifeq ($(PYTHON),)
$(error no Python 3.11, 3.12 or 3.13 found (tried $(CANDIDATES)); install one, or say: make PYTHON=/path/to/python3.11)
endif

# Spinning OpenMP threads make timings on shared cores differ by a factor of five.
export OMP_WAIT_POLICY := passive
# llama.cpp without the instructions of one particular CPU, so that a cached build runs on the next machine too.
export CMAKE_ARGS ?= -DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell getconf _NPROCESSORS_ONLN)

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
LOCKED := $(PIP) install --no-deps --require-hashes
# The marker's name holds the Python version and the place, so that another one of either makes .venv anew.
VENV := .venv/python-$(shell $(PYTHON) -c 'import os, sys, zlib; \
	print("%d.%d.%d-%08x" % (*sys.version_info[:3], zlib.crc32(os.getcwd().encode())))')
READY := .venv/ready
EXTRAS := $(filter-out core dev torch flash-attn,$(basename $(notdir $(wildcard locks/*.txt))))

help:
	@echo "make test | bench | selftest | doctor | lint | install EXTRA=NAME | lock"
	@echo "extras: $(EXTRAS)"

test: $(READY)
	$(BIN)/pytest $(TEST_ARGS)

bench: $(READY)
	$(BIN)/pytest benchmarks -m "cpu and not slow" $(BENCH_ARGS)

selftest: $(READY)
	$(BIN)/harness selftest $(SELFTEST_ARGS)

doctor: $(READY)
	$(BIN)/harness doctor

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# gpu last: it replaces some pins of the others.
install: $(READY) $(addprefix install-,$(filter-out gpu,$(EXTRA)) $(filter gpu,$(EXTRA)))

$(VENV):
	@echo "making .venv with core + dev (once; about half a minute and 650 MB)"
	@$(PYTHON) -m venv --clear .venv
	@touch $@

$(READY): pyproject.toml locks/core.txt locks/dev.txt $(VENV)
	@$(LOCKED) -r locks/core.txt -r locks/dev.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# torch comes with its dependencies: a CUDA build needs libraries that the CPU build does not have.
install-%: $(READY)
	@test -f locks/$*.txt || { echo "no extra named '$*' (allowed: $(EXTRAS))" >&2; exit 4; }
	@echo "installing $* from locks/$*.txt"
	@$(LOCKED) -r locks/$*.txt
	@if grep -q 'torch is in torch.txt' locks/$*.txt; then $(PIP) install -r locks/torch.txt; fi
	@if grep -q 'flash-attn is in' locks/$*.txt; then $(MAKE) --no-print-directory flash-attn; fi

flash-attn: $(READY)
	@if command -v nvcc >/dev/null; then $(LOCKED) --no-build-isolation -r locks/flash-attn.txt; \
	else echo "flash-attn left out: building it needs nvcc; then: make flash-attn"; fi

lock:
	$(PYTHON) scripts/lock.py

clean:
	rm -rf .venv
