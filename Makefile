# Everything runs in .venv, which is made from pyproject.toml and constraints.txt when they change.
# `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The interpreter that makes .venv: python3.11 when it works, else python3; PYTHON=... overrides.
PYTHON ?= $(firstword $(foreach name,python3.11 python3,$(shell $(name) -c 'print("$(name)")' 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
BUILD := build
DEMO_OUT ?= $(BUILD)/demo.html

PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
# Other libraries to compare with, and what they need, in an environment of their own.
BENCH_VENV := $(BUILD)/bench-venv
BENCH := $(BENCH_VENV)/.installed

.PHONY: help demo test lint unit docs bench venv constraints clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUNTIME) ## write the demonstration report to build/demo.html (options: ARGS="...")
	@mkdir -p $(dir $(DEMO_OUT))
	$(BIN)/causalmod demo --out $(DEMO_OUT) --force $(ARGS)

# Runs all three even when one fails, and fails when any does.
test: $(DEV) ## lint, documentation, unit tests
	@$(MAKE) --no-print-directory --keep-going lint docs unit

lint: $(DEV) ## ruff and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

unit: $(DEV) ## pytest on every core, with doctests and coverage (options: ARGS="...")
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --cov --numprocesses auto --dist loadfile $(ARGS)

docs: $(DEV) ## build the documentation into build/docs, warnings are errors
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b html docs $(BUILD)/docs

bench: $(BENCH) ## time interventions against other libraries (options: ARGS="--repeats 3")
	$(BENCH_VENV)/bin/python -m benchmarks interventions $(ARGS)

venv: $(DEV) ## create or update .venv with everything for development

$(RUNTIME): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No python3.11 or python3 found: install Python 3.11, or say PYTHON=/path/to/python." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; (3, 11) <= v < (3, 14) or sys.exit("causalmod needs Python 3.11, 3.12 or 3.13; $(PYTHON) is %d.%d. Say PYTHON=/path/to/python." % v[:2])'
	@echo "Setting up $(VENV) with $(PYTHON); the first time takes a few minutes."
	"$(PYTHON)" -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(DEV): $(RUNTIME)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(BENCH): $(RUNTIME)
	$(BIN)/python -m venv $(BENCH_VENV)
	PIP_DISABLE_PIP_VERSION_CHECK=1 $(BENCH_VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	@touch $@

# A fresh environment, so that constraints.txt holds nothing that causalmod does not need. torch is
# named exactly: an open range may bring a build with gigabytes of GPU libraries.
constraints: TORCH ?= $(shell sed -n 's/^torch==//p' constraints.txt)
constraints: ## renew constraints.txt from pyproject.toml (TORCH=x.y.z to change torch)
	rm -rf $(BUILD)/constraints
	"$(PYTHON)" -m venv $(BUILD)/constraints
	PIP_DISABLE_PIP_VERSION_CHECK=1 $(BUILD)/constraints/bin/python -m pip install --quiet 'torch==$(TORCH)' '.[dev]'
	sed -n '/^#/p' constraints.txt > $(BUILD)/constraints.txt
	$(BUILD)/constraints/bin/python -m pip freeze --all --exclude causalmod --exclude pip \
		| sed -E -e 's/\+[a-z0-9.]+$$//' -e '/^(cuda|nvidia|triton)/d' >> $(BUILD)/constraints.txt
	mv $(BUILD)/constraints.txt constraints.txt
	rm -rf $(BUILD)/constraints

clean: ## remove what was built, and caches
	rm -rf $(BUILD) dist .coverage .hypothesis .pytest_cache .ruff_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## the same, and .venv
	rm -rf $(VENV)
