# The two commands of the README are `make dev` and `make test`; each sets up what it needs by itself.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin
PYTHON ?=
ARGS ?=
WORKERS ?= 2
FAST_WORKERS ?= 3

.PHONY: help environment setup dev test test-fast test-deep check format bench lock outdated clean

help: ## list the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

environment:
	@PYTHON="$(PYTHON)" tools/setup.sh

setup: ## make .venv with everything, and find or install Chromium
	@PYTHON="$(PYTHON)" tools/setup.sh browser

dev: environment ## run Tollhouse here, with nothing to configure
	@$(BIN)/tollhouse dev $(ARGS)

test: setup ## run all tests but the deep ones, and hold branch coverage where money or secrets are handled
	@rm -f .coverage .coverage.*
	$(BIN)/pytest -m "not deep" -n $(WORKERS) --dist worksteal --cov --cov-report= $(ARGS)
	@$(if $(ARGS),echo "A part of the tests was asked for: branch coverage is not judged.",$(BIN)/python tools/coverage_gate.py)

test-fast: environment ## run what takes no browser, no PostgreSQL and no patience, in under a minute
	$(BIN)/pytest -m "not deep and not browser and not slow" -k "not postgres" -n $(FAST_WORKERS) --dist worksteal $(ARGS)

test-deep: setup ## run everything, with 200 seeds
	TOLLHOUSE_TEST_SEEDS=$${TOLLHOUSE_TEST_SEEDS:-200} $(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: environment ## lint, types, import floors, sizes, locks
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python tools/check_sizes.py
	$(BIN)/python tools/check_locks.py

format: environment ## put code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: environment ## measure against the machine's own limits
	$(BIN)/python -m bench $(ARGS)

lock: environment ## write the locks anew; UPGRADE=1 takes the newest releases
	tools/lock.sh

outdated: environment ## say which pins are behind
	@$(BIN)/python tools/outdated.py

clean: ## remove what setup, tests and builds left
	rm -rf .venv build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find src tests tools bench -name __pycache__ -type d -prune -exec rm -rf {} +
