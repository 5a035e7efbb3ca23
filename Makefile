# make demo   everything from nothing: set up, prepare, train, render (see README.md)
# make test   set up and run all checks
# make bench  set up and compare with peers, about 12 minutes (see benchmarks/results)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test soak bench clean

$(READY): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,stage]'
	touch $@

demo: $(READY)
	$(BIN)/python -m experiments.demo

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m 'not soak' -n 2 --dist loadfile

soak: $(READY)
	$(BIN)/python -m pytest -m soak

bench: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,stage,bench]'
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist *.egg-info
