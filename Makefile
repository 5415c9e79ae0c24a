# make setup | pituitary | hippocampus [ROOT=<data>] | test | check | faults
# Another Python: make PYTHON=python3.12 …   Arguments for training: make pituitary ARGS="seed=2"
PYTHON ?= python3
ROOT ?= null
ARGS ?=

BIN := .venv/bin
READY := .venv/ready

.DEFAULT_GOAL := help
.PHONY: help setup pituitary hippocampus test check faults

help:
	@sed -n '1,2s/^# //p' Makefile

setup: $(READY)

# installed once, and again where the pinned set changes
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	"neurotarget needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + \
	"; say which one to use: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo "installing the pinned packages into .venv, once; this takes some minutes"
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --constraint constraints.txt --no-deps dynamic-network-architectures
	@touch $(READY)

pituitary: $(READY)
	$(BIN)/python train.py experiment=pituitary $(ARGS)

hippocampus: $(READY)
	$(BIN)/python train.py experiment=hippocampus data.root=$(ROOT) $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# kills, bad inputs and attacks on every command; ARGS="inputs share=0.1" runs a part
faults: $(READY)
	PYTHONPATH=tests $(BIN)/python -m faults $(ARGS)
