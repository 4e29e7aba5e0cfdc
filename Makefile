# What can be done here; `make help` lists it. The tools go into .venv, and nothing outside this folder changes, with one
# exception: `make test` as root installs MariaDB's programs and curl from Debian where they are missing.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# How long `make faults` runs (s), and its seed; any where it is empty.
SECONDS ?= 3600
SEED ?=
# More arguments for pytest, as in: make test-fast ARGS="-k periods"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test faults bench test-fast screens lint programs clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

demo: $(VENV)/.installed-demo ## run the whole meter on a real Swift, on this machine, until Ctrl-C
	@exec $(BIN)/swiftstats demo

test: lint programs ## run everything: lint, types, unit, store, Swift, crash, fault and documentation tests
	$(BIN)/python -m pytest $(ARGS)

faults: lint programs ## break a whole site at random, for SECONDS (3600), by SEED (any); then three Galera nodes
	$(BIN)/python -m tests.faults --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(ARGS)
	$(BIN)/python -m pytest -rA tests/faults/slow_galera.py

bench: $(VENV)/.installed-bench programs ## measure against the floor and the peers, into docs/performance.md (under an hour)
	$(BIN)/python -m bench $(ARGS)

test-fast: $(VENV)/.installed-test ## run what needs no server, on all processors: under a minute
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not mariadb and not swift and not keystone and not crash and not faults" tests/unit tests/docs $(ARGS)

screens: $(VENV)/.installed-test programs ## take the pictures of the pages for docs/images, of the demo
	$(BIN)/python -m tests.screens

lint: $(VENV)/.installed-test ## run ruff over everything, and mypy (strict) over swiftstats/
	$(BIN)/ruff check .
	$(BIN)/mypy

programs:
	@.ci/programs && .ci/promtool

clean: ## remove the virtual environment and everything that was built
	rm -rf $(VENV) .tox .bench build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps make a second run start at once. They are made again when what is installed may have changed.
$(VENV)/.installed-demo: setup.cfg pyproject.toml
	@.ci/install "$(PYTHON)" "$(VENV)" ".[demo]"
	@touch $@

$(VENV)/.installed-bench: setup.cfg pyproject.toml
	@.ci/install "$(PYTHON)" "$(VENV)" ".[demo,cli,test,bench]"
	@touch $@

$(VENV)/.installed-test: setup.cfg pyproject.toml
	@.ci/install "$(PYTHON)" "$(VENV)" ".[demo,cli,test]"
	@touch $@ $(VENV)/.installed-demo
