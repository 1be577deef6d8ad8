# make demo   encode and decode a real picture, print sizes and PSNR, write pictures to demo/
# make test   lint, types and tests, without torch
# Each target makes its own virtual environment the first time; only Python >= 3.10 and make are needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-train bench clean

demo: $(VENV)/run
	$(BIN)/python examples/demo.py

test: $(VENV)/test
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest -q -m "not train"

test-train: $(VENV)/train
	OMP_NUM_THREADS=2 $(BIN)/python -m pytest -q -m train

bench: $(VENV)/test
	$(PIP) ".[evaluate]"
	$(BIN)/python benchmarks/speed.py

$(VENV)/base:
	$(PYTHON) -c "import sys; sys.exit('Python 3.10 or newer is needed' if sys.version_info < (3, 10) else 0)"
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/run: $(VENV)/base pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

$(VENV)/test: $(VENV)/run
	$(PIP) --editable ".[test]"
	touch $@

$(VENV)/train: $(VENV)/test
	$(PIP) --editable ".[test,train]"
	touch $@

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
