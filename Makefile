# make setup | pituitary | hippocampus [ROOT=<data>] | fast | test | check | faults | docs | matrix | release-check
# Another Python: make PYTHON=python3.12 …   Arguments for training: make pituitary ARGS="seed=2"
PYTHON ?= python3
ROOT ?= null
ARGS ?=

VENV ?= .venv
PYTHONS ?= python3.11 python3.12 python3.13
BIN := $(VENV)/bin
READY := $(VENV)/ready
SHOWN := runs/shown
# bytecode is kept, which each process that a test starts would else compile again
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup pituitary hippocampus fast test check faults docs matrix release-check

help:
	@sed -n '1,2s/^# //p' Makefile

setup: $(READY)

# installed once, and again where the pinned set changes
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	"neurotarget needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + \
	"; say which one to use: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo "installing the pinned packages into $(VENV), once; this takes some minutes"
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --constraint constraints.txt --no-deps dynamic-network-architectures
	@touch $(READY)

pituitary: $(READY)
	$(BIN)/python train.py experiment=pituitary $(ARGS)

hippocampus: $(READY)
	$(BIN)/python train.py experiment=hippocampus data.root=$(ROOT) $(ARGS)

# all tests, a file per process at a time; one file or test: .venv/bin/pytest <file>::<test>
test: $(READY)
	$(PYTEST)

# each room's core, without processes and training, in a minute; the files are in tests/fast.txt
fast: $(READY)
	$(PYTEST) @tests/fast.txt

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# kills, bad inputs and attacks on every command; ARGS="inputs share=0.1" runs a part
faults: $(READY)
	PYTHONPATH=tests $(BIN)/python -m faults $(ARGS)

# the pages in site/index.html, with the reference of Python and the notebooks as they ran on a
# short training; a broken link or a cell that fails is an error
docs: $(SHOWN)/summary.json
	NEUROTARGET_RUN=../$(SHOWN) NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# trained on from the network that comes with neurotarget, so that 40 steps make good masks
$(SHOWN)/summary.json: $(READY)
	WANDB_MODE=disabled $(BIN)/python train.py experiment=pituitary pretrained=pituitary \
	data.source.plan.num_cases=24 data.batch_size=4 data.patches_per_epoch=40 budget.steps=40 \
	overwrite=true hydra.run.dir=$(SHOWN)

# the fast tests with each Python that is here, in environments of their own
matrix:
	@failed=; for python in $(PYTHONS); do \
	  if ! $$python -c '' 2>/dev/null; then echo "matrix: $$python is not here"; continue; fi; \
	  if $(MAKE) --no-print-directory VENV=.venvs/$$python PYTHON=$$python fast; \
	  then echo "matrix: $$python passes"; else echo "matrix: $$python fails"; failed=1; fi; \
	done; test -z "$$failed"

# what would be uploaded, in dist/; docs/releasing.md has the other steps
release-check: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[release]'
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m twine check --strict dist/*
