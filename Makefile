# Every target sets itself up: the virtual environment is made from the lock when it is missing or the lock has changed.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13,$(shell command -v $(name))) python3.11)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
WORKERS ?= auto
.DEFAULT_GOAL := help
.PHONY: help setup run test test-slow check coverage lint types notebooks bench docs lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

setup: $(READY) ## make the virtual environment and install everything from the lock

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing; name another with: make setup PYTHON=python3.12"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing exact versions from requirements.lock into $(VENV): one to three minutes, once."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

run: $(READY) ## the demo: sample data, momentum backtest, walk-forward, bootstrap, build/momentum.html
	@test -d data/sample/versions || $(BIN)/quantlab data sample
	$(BIN)/quantlab backtest notebooks/momentum.toml

test: $(READY) ## the tests, with line coverage measured
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=

test-slow: $(READY) ## the long tests: fuzzing, kill tests, peers as oracles
	$(BIN)/python -m pytest -m slow -n $(WORKERS) -rA $(SLOW)

check: lint types test coverage notebooks ## every gate: lint, types, tests, coverage, notebooks

coverage: $(READY) ## the coverage that the last `make test` measured; at least 90 %
	$(BIN)/python -m coverage html --quiet
	$(BIN)/python -m coverage report --fail-under=90

lint: $(READY) ## style of code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## static types
	$(BIN)/mypy

notebooks: $(READY) ## execute the notebooks
	$(BIN)/python -m pytest --nbmake notebooks -n 1

bench: $(READY) ## measure speed against peers and floors; writes benchmarks/results.json
	$(BIN)/python benchmarks/run.py

docs: $(READY) ## regenerate what the docs show: tables, the quality page, the README's output, the picture
	$(BIN)/python docs/make.py

lock: ## rewrite requirements.lock from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url -o requirements.lock

clean: ## remove the virtual environment and everything made
	rm -rf $(VENV) build htmlcov .coverage .coverage.* .pytest_cache .ruff_cache .mypy_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
