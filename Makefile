# Needs Python (3.11 or newer) and make, and nothing else: every target makes its own virtual environment.

PYTHON ?= python3
WORKERS ?= auto
BIN := .venv/bin
LOWEST := .venv-lowest
SOURCES := src tests $(if $(wildcard bench/*.py),bench)

.DEFAULT_GOAL := help
.PHONY: help venv demo test check format docs bench test-lowest clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: .venv/.stamp ## Make the virtual environment .venv, or bring it up to date

# A pip of our own comes first: the one that Python brings may not know dependency groups.
.venv/.stamp: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[all]" --group dev
	@touch $@

demo: .venv/.stamp ## Run a small reseller business and write its documents to build/demo
	$(BIN)/astpp-billing demo --directory build/demo

test: .venv/.stamp ## Run the tests in parallel and measure the coverage
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal --cov --cov-report term $(ARGS)

check: .venv/.stamp ## Check style, format, types and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports --no-logo

format: .venv/.stamp ## Format the code and make the corrections that are safe
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.stamp ## Build the documentation in build/docs; a warning is an error
	$(BIN)/sphinx-build -W -n --keep-going --quiet -b html -d build/doctrees docs build/docs
	@echo "build/docs/index.html"

bench: .venv/.stamp ## Measure the speed
	$(BIN)/python -m bench $(ARGS)

# The lowest versions that pyproject.toml allows of what users install; the test tools themselves are the newest
# that go with them.
$(LOWEST)/.stamp: pyproject.toml .venv/.stamp
	rm -rf $(LOWEST)
	$(BIN)/uv venv --quiet --python $(BIN)/python $(LOWEST)
	$(BIN)/uv pip compile --quiet --python $(LOWEST)/bin/python --all-extras --resolution lowest-direct \
		--no-header --output-file $(LOWEST)/requirements.txt pyproject.toml
	$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --requirement $(LOWEST)/requirements.txt \
		--group test --editable ".[all]"
	@touch $@

test-lowest: $(LOWEST)/.stamp ## Run the tests with the lowest versions of the dependencies
	$(LOWEST)/bin/python -m pytest --numprocesses $(WORKERS) --dist worksteal --no-cov $(ARGS)

clean: ## Remove everything that was made
	rm -rf .venv $(LOWEST) build dist .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache
	find src tests docs bench -name __pycache__ -type d -prune -exec rm -rf {} +
