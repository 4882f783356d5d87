# Everything runs in .venv, which scripts/setup.sh makes when it is needed.
#   ARGS   passed on: make test ARGS="tests/test_syntax.py -x", make study ARGS="--study quick"
#   MINUTES  how long to fuzz: make fuzz MINUTES=20
#   BENCH  which benchmarks: make bench BENCH=gradient

PYTHON := .venv/bin/python
MINUTES := 60
BENCH := gradient sampling startup
ARGS :=

.DEFAULT_GOAL := help
.PHONY: help setup study test format bench fuzz clean

help:  ## list the commands
	@grep -E '^[a-z]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup:  ## make .venv, or bring it up to date
	@scripts/setup.sh

study: setup  ## run the alliance study: estimates, diagnostics, run folder
	$(PYTHON) models/alliance_capability.py $(ARGS)

.PHONY: docs
docs: setup  ## build the documentation site into site/, without the network
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict $(ARGS)

test: setup  ## what CI runs: lint, format, types, tests
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest $(ARGS)

format: setup  ## format the code and mend what ruff can mend
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

bench: setup  ## run the benchmarks, one JSON object at the end of each
	@set -e; for name in $(BENCH); do $(PYTHON) -m benchmarks.$$name --json; done

fuzz: setup  ## feed it random models, data and files for MINUTES; what fails is printed
	$(PYTHON) tests/fuzzing.py $(MINUTES)

clean:  ## remove caches and build output; keeps .venv and runs/
	rm -rf build dist site .pytest_cache .ruff_cache .mypy_cache .hypothesis src/*.egg-info
	find . -name .venv -prune -o -name .git -prune -o -name __pycache__ -type d -exec rm -rf {} +
