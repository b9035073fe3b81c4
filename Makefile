# Two commands do all the set-up on a fresh machine: `make demo` and `make test`. Each works alone, again and again.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FILES ?=
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test faults run bench study clean lint types setup qt-libraries screenshots walk

help:
	@echo "make demo          set up, simulate the demo scan, open the app with it (screenshots where there is no display)"
	@echo "make test          set up, then lint, types and all tests, without a display"
	@echo "make faults        the long form of the tests of faults (hours; ARGS=tests/faults/test_files.py takes one part)"
	@echo "make run FILES=…   open the app, with files"
	@echo "make screenshots   the pictures of the guide, from the running app"
	@echo "make walk          a new user's first hour with real mouse and keyboard, in a virtual screen (ARGS=--help)"
	@echo "make bench         measure this machine (ARGS=--quick takes a minute)"
	@echo "make study         the training recipes against each other (hours; ARGS=--quick takes minutes)"
	@echo "make clean         remove what these commands made"

$(STAMP): pyproject.toml constraints.txt
	@echo "==> Making the virtual environment $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ". Set PYTHON=python3.11 or newer.") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	@echo "==> Installing Ptychoscope and what it needs, in the versions of constraints.txt"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@

setup: $(STAMP) qt-libraries

# Asks Qt itself whether it can load; installs its system libraries where that is allowed, else prints the one command.
qt-libraries: $(STAMP)
	@$(BIN)/python resources/setup/qt_libraries.py

demo: setup
	@$(BIN)/python resources/setup/demo.py

run: setup
	$(BIN)/python main.py $(FILES)

lint: $(STAMP)
	@echo "==> Lint"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	@echo "==> Types"
	$(BIN)/mypy

test: setup lint types
	@echo "==> Tests"
	QT_QPA_PLATFORM=offscreen OMP_NUM_THREADS=1 $(BIN)/python -m pytest

faults: setup
	@echo "==> Faults"
	PTYCHOSCOPE_FAULTS=1 PTYCHOSCOPE_KILLS=200 PTYCHOSCOPE_SIGNALS=50 PTYCHOSCOPE_PICKLES=1000000 PTYCHOSCOPE_FILES=5000 \
	QT_QPA_PLATFORM=offscreen OMP_NUM_THREADS=1 $(BIN)/python -m pytest -s -o timeout=7200 -o faulthandler_timeout=0 \
	$(or $(ARGS),tests/faults tests/engine/test_kill.py tests/engine/test_mutated_files.py tests/engine/test_mutated_pickles.py)

screenshots: setup
	QT_QPA_PLATFORM=offscreen OMP_NUM_THREADS=1 $(BIN)/python -m resources.setup.guide_pictures

walk: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.walk $(ARGS)

bench: setup
	QT_QPA_PLATFORM=offscreen OMP_NUM_THREADS=1 $(BIN)/python -m ptycho_engine bench $(ARGS)

study: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m ptycho_engine study recipes --out study-output $(ARGS)

clean:
	rm -rf $(VENV) demo-output study-output walk-output build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
