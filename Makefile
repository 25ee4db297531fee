# Every target does its own set-up: a fresh clone needs python3 (3.10 or newer), cargo and make.
# PYTHON names another interpreter; PYTEST_ARGS and BENCH_ARGS go to pytest. Files of tests run side by
# side in WORKERS processes, by default one for each core and at most four; WORKERS=0 runs them one by one.

PYTHON ?= python3
ifeq ($(OS),Windows_NT)
VENV := .venv/Scripts
else
VENV := .venv/bin
endif
CARGO_PYTHON := PYO3_PYTHON=$(CURDIR)/$(VENV)/python
PYTEST_ARGS ?=
WORKERS ?= auto
BENCH_ARGS ?=

# Models and data come from installed packages and the disk; nothing here asks a model hub.
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false
# Several processes share the cores: threads that wait must not spin.
export OMP_WAIT_POLICY := PASSIVE
# The checkout's own packages only: a PYTHONPATH from outside would shadow them.
unexport PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench wheel clean python

help:
	@echo "make demo   compare all-MiniLM-L6-v2 with BM25 on the bundled sample"
	@echo "make test   build, then run cargo test and pytest"
	@echo "make lint   rustfmt, clippy, ruff, mypy, stubtest"
	@echo "make bench  measure against the peers; write benches/record/"
	@echo "make wheel  build the wheel and the source distribution into dist/"
	@echo "make clean  remove .venv, dist/, results/demo and build output"

NEEDS_PYTHON := embedsmith needs Python 3.10 or newer
NAME_PYTHON := as in make test PYTHON=python3.12

python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "error: $(NEEDS_PYTHON), and no $(PYTHON) is on PATH: install it, or name one, $(NAME_PYTHON)." >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "error: $(NEEDS_PYTHON), but $(PYTHON) is $$($(PYTHON) --version 2>&1): name a newer one, $(NAME_PYTHON)." >&2; \
	  exit 1; }

demo: python
	@$(PYTHON) tools/environment.py demo
	$(VENV)/embedsmith eval --data sample:bank --model all-MiniLM-L6-v2 --model bm25 \
	  --measures ndcg@10,recall@10,rr@10 --out results/demo

test: python
	@$(PYTHON) tools/environment.py test
	$(CARGO_PYTHON) cargo test --locked
	$(VENV)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

lint: python
	@$(PYTHON) tools/environment.py lint
	cargo fmt --all --check
	$(CARGO_PYTHON) cargo clippy --locked --workspace --all-targets -- -D warnings
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy
	$(VENV)/python -m mypy.stubtest embedsmith._core --mypy-config-file pyproject.toml \
	  --allowlist tests/stubtest-allow.txt

bench: python
	@$(PYTHON) tools/environment.py bench
	$(VENV)/python -m benches.wordnet
	$(VENV)/python -m pytest benches --record --timeout 0 --benchmark-sort name \
	  --benchmark-columns median,iqr,min,rounds $(BENCH_ARGS)

wheel: python
	@$(PYTHON) tools/environment.py
	$(VENV)/maturin build --release --locked --out dist
	$(VENV)/maturin sdist --out dist

clean:
	rm -rf .venv dist target results/demo python/embedsmith/_core.*.so
