# Everything runs in the virtual environment $(VENV), made on first use with the versions of constraints.txt.
# Overrides: make test PYTHON=python3.12 VENV=../venv JOBS=8

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2

BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest

# One stamp per extra: an install is repeated only when the requirements or the pins change.
INSTALLED := $(VENV)/.installed
PLOT := $(INSTALLED)-plot
TEST := $(INSTALLED)-test
DEV := $(INSTALLED)-dev
DOCS := $(INSTALLED)-docs
GPU := $(INSTALLED)-gpu

.DEFAULT_GOAL := help
.PHONY: help demo test slow gpu-report lint format types docs-examples docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(PLOT) ## a tour: embed, match, translate, generate and solve; figures/tour.png shows all
	$(BIN)/python examples/demo.py

test: $(TEST) ## the fast tests
	$(PYTEST) -n $(JOBS) -m "not slow"

slow: $(TEST) ## the slow tests
	$(PYTEST) -n $(JOBS) -m slow

gpu-report: $(TEST) $(GPU) ## solver and estimators on this machine's GPU: right? how fast?
	$(BIN)/python -m benchmarks.gpu_report --out gpu_report.json

lint: $(DEV) ## ruff (rules and format) and codespell
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

format: $(DEV) ## let ruff repair what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(DEV) ## mypy
	$(BIN)/mypy

docs-examples: export MPLBACKEND = Agg
docs-examples: export OMP_NUM_THREADS = 1
docs-examples: $(TEST) ## run the examples in the docstrings and in the pages of docs/
	$(PYTEST) --doctest-modules skgw --ignore=skgw/solvers/experimental/newton_cg_triton.py
	$(PYTEST) --doctest-glob="*.rst" docs

docs: $(DOCS) ## build the documentation into docs/_build/html; a warning is an error
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

clean: ## remove build products and caches (the environment stays)
	rm -rf build dist docs/_build docs/auto_examples docs/generated docs/sg_execution_times.rst
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find skgw tests examples docs -name __pycache__ -type d -prune -exec rm -rf {} +

# pip is the last thing that venv writes, so an interrupted creation is repeated.
$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(INSTALLED)-%: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$*]"
	@touch $@
