# Everything here needs python3 (3.11 or newer) and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install --require-hashes --requirement
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup test engine faults e2e pictures check format up demo docs bench rush chaos peers locks clean

PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
ENGINE := tests/engine tests/engine_model tests/compat tests/queue tests/workers
WHOLE := tests/commands tests/embedded tests/test_operations.py
SLOW := $(ENGINE) $(WHOLE) tests/e2e tests/browser tests/chaos
PEERS := .venv-peers
# ardiq, the fastest peer, needs Python 3.12; without one the comparison leaves it out.
PEERS_PYTHON ?= $(shell for p in python3.13 python3.12 $(PYTHON); do $$p -c 'import venv, ensurepip' 2>/dev/null && echo $$p && break; done)

help: ## List the targets
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(VENV)/.default ## Make the virtual environment with the locked dependencies

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Almanac needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "This Python has no venv module. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Setting up $(VENV) (once)…"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.default: requirements/default.lock pyproject.toml | $(BIN)/python
	@$(INSTALL) requirements/default.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: requirements/test.lock $(VENV)/.default
	@$(INSTALL) requirements/test.lock
	@touch $@

demo: setup ## Schedule a post 3 s ahead and watch it being published (ARGS="--help" for other platforms)
	@$(BIN)/almanac demo $(ARGS)

up: setup ## Run API and all workers on embedded servers; Ctrl-C stops everything
	@$(BIN)/almanac up $(ARGS)

test: $(VENV)/.test ## Run the tests, but for the three suites below
	@$(PYTEST) $(SLOW:%=--ignore %) $(ARGS)

engine: $(VENV)/.test ## Run the engine's own tests: its rules, its model, arq's clients and workers beside it
	@$(PYTEST) $(ENGINE) $(ARGS)

faults: $(VENV)/.test ## Kill workers and servers while jobs run, in short form
	@$(PYTEST) tests/chaos $(ARGS)

e2e: $(VENV)/.test ## Use a whole installation, its commands, and the dashboard in Chromium
	@$(BIN)/python -m pytest tests/e2e tests/browser $(ARGS)
	@$(PYTEST) $(WHOLE) $(ARGS)

pictures: $(VENV)/.test ## Take the documentation's pictures of the dashboard anew
	@$(BIN)/python -m pytest tests/browser --pictures docs/dashboard

check: $(VENV)/.test ## Lint, types, architecture
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_architecture.py

format: $(VENV)/.test ## Sort imports and format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: setup ## Write docs/jobs.md from the declarations
	@$(BIN)/python -m workers.reference > docs/jobs.md

bench: setup peers ## Measure the engine beside its peers, and the rest (ARGS="--short" for 6 minutes)
	@$(BIN)/python -m benchmarks.engine $(ARGS)
	@$(BIN)/python -m benchmarks.recorder $(filter --short,$(ARGS))
	@$(BIN)/python -m benchmarks.workflows $(filter --short,$(ARGS))
	@$(BIN)/python -m benchmarks.history $(filter --short,$(ARGS))
	@$(BIN)/python -m benchmarks.pages $(filter --short,$(ARGS))
	@$(BIN)/python -m benchmarks.dashboards

rush: setup ## Measure: 10,000 posts due in the same minute
	@$(BIN)/python -m benchmarks.due_together $(ARGS)

chaos: $(VENV)/.test ## Run engine and publishing through their faults, in full size
	@$(BIN)/python -m tests.chaos.engine $(ARGS)
	@ALMANAC_CHAOS=full $(PYTEST) tests/chaos/publishing tests/chaos/newsletters -n0 -s

$(PEERS)/.done: requirements/peers.lock
	@rm -rf $(PEERS)
	@$(PEERS_PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --requirement $<
	@touch $@

peers: $(PEERS)/.done ## Install what the engine is compared with, in an environment of its own

LOCK := uv pip compile --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --quiet pyproject.toml
locks: ## Resolve requirements/*.lock anew (needs uv)
	$(LOCK) -o requirements/production.lock
	$(LOCK) --extra embedded --extra build -o requirements/default.lock
	$(LOCK) --extra embedded --extra build --extra otel --extra test -o requirements/test.lock
	$(LOCK) --extra otel -o requirements/otel.lock
	uv pip compile --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --quiet requirements/peers.in -o requirements/peers.lock

clean: ## Remove the virtual environment and caches; never .almanac
	rm -rf $(VENV) $(PEERS) .mypy_cache .pytest_cache .ruff_cache .hypothesis
