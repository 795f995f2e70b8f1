# Everything runs in .venv, made on first use from the pins in constraints.txt.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test quick lint format docs first-hour package clean

demo: .venv/installed
	$(BIN)/pdesolve solve problems/poisson_2d.py --tol 1e-8

test: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -q

quick: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -q -m "not slow"

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict  # mkdocs-material advertises its successor otherwise

first-hour: .venv/installed
	$(BIN)/python benchmarks/first_hour.py
	$(BIN)/python benchmarks/first_hour.py --wheel

package: .venv/installed
	$(BIN)/python benchmarks/clean_install.py

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

.venv/docs: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@

clean:
	rm -rf .venv runs build *.egg-info
