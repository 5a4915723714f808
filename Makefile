# make run, make test: both set everything up in .venv first. Needs Python 3.10+ and a C compiler.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

SOURCES = pyproject.toml setup.py MANIFEST.in README.md \
    $(wildcard engine/*) $(shell find bindings -name '*.py' -o -name '*.pyi')

.PHONY: run test lint sanitize mutants bench peers dist clean

run: $(VENV)/installed
	$(BIN)/pricetime demo

test: lint
	$(BIN)/python -m pytest -q

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m mypy.stubtest pricetime._book --allowlist tests/stubtest.txt
	$(BIN)/python -m pytest -q tests/test_tidy.py tests/test_layers.py

# The same tests, and noise, under the address and undefined-behaviour sanitizers.
sanitize: $(VENV)/installed
	PYTHON=$(BIN)/python tests/sanitize.sh

# Breaks the kernel on purpose, in many small ways: the tests must catch every one. Takes a while.
mutants: $(VENV)/installed
	$(BIN)/python tests/mutants.py

# All figures, tables and plots, into docs/. Takes a while; wants the machine for itself.
bench: $(VENV)/installed
	$(BIN)/python bench/report.py

peers: $(VENV)/installed
	$(BIN)/python bench/peers.py --install

dist: $(VENV)/installed
	$(BIN)/pip install -q build
	$(BIN)/python -m build

$(VENV)/installed: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q 'setuptools>=77' 'Cython>=3.1,<4' numpy
	$(BIN)/python -m pip install -q '.[all,test,bench]'
	touch $@

clean:
	rm -rf build dist .venv bindings/*.egg-info bindings/pricetime/*.so
