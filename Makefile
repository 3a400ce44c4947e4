# Everything a developer needs, on Python 3.11+ and make alone. `make` lists the targets.

PYTHON ?= python3
VENV := .venv/bin
TOX := $(VENV)/tox

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint docs build ci clean

help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv/ with the package, what the demo needs, and tox
	@command -v $(PYTHON) >/dev/null || { echo "make setup: $(PYTHON) was not found. Install Python 3.11 or newer." >&2; exit 1; }
	@$(PYTHON) scripts/setup_venv.py

demo: setup ## serve the example site with localstripe and a user to try; WORKERS=2: with workers
	@$(VENV)/python example_project/demo.py

test: setup ## run the tests on every database and service this machine has; ARGS=--coverage measures, too
	@$(VENV)/python scripts/run_tests.py $(ARGS)

lint: setup ## style, spelling, types, architecture, workflows, migrations, house rules
	@$(TOX) run -e lint

docs: setup ## build the documentation, warnings as errors
	@$(TOX) run -e docs

build: setup ## build sdist and wheel, and try the wheel in an empty environment
	@$(TOX) run -e build

ci: ## everything that CI runs, on this machine
	@bash .ci/run

clean: ## remove environments, caches and build results
	rm -rf .venv .tox .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist htmlcov
	rm -f .coverage .coverage.* coverage.xml
