# make setup | pituitary | hippocampus [ROOT=<data>] | fast | test | check | faults | docs
# Another Python: make PYTHON=python3.12 …   Arguments for training: make pituitary ARGS="seed=2"
PYTHON ?= python3
ROOT ?= null
ARGS ?=

BIN := .venv/bin
READY := .venv/ready
SHOWN := runs/shown
# bytecode is kept, which each process that a test starts would else compile again
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup pituitary hippocampus fast test check faults docs

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
