# make demo         encode and decode a real picture, print sizes and PSNR, write pictures to demo/
# make test         lint, types and tests, without torch
# make test-train   the tests of training
# make test-cluster the tests of batches on a local Ray cluster
# make golden       decode the golden files; with LOWEST=1 on the lowest versions of the dependencies
# make attacks      the attacks of attacks/, the slow ones too
# make conformance  the archive for other implementations, in build/
# make viewer       the viewer in the browser, into viewer/dist and the package; needs node >= 20
# make test-viewer  its tests in node and in Chromium
# make fuzz         a minute of fuzzing; Linux on x86-64 with Python 3.11 to 3.14
# make test-exact   decode the same files on emulated processors, about an hour; Debian with qemu-user and mmdebstrap
# make docs         the documentation as a site, in build/site
# make bench        speed and memory of this machine
# make format       format the code
# Each target makes its own virtual environment the first time; only Python >= 3.10 and make are needed.

PYTHON ?= python3
VENV := .venv
CONSTRAINTS := constraints.txt
ifdef LOWEST
VENV := .venv-lowest
CONSTRAINTS := constraints-lowest.txt
endif
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)
GOLDEN := tests/test_golden.py tests/test_container_golden.py tests/test_features_golden.py

.PHONY: demo test test-train test-cluster golden attacks conformance fuzz test-exact viewer test-viewer docs bench format clean

demo: $(VENV)/run
	$(BIN)/python examples/demo.py

test: $(VENV)/test
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check --quiet .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest -q -m "not train and not cluster"

test-train: $(VENV)/train
	OMP_NUM_THREADS=2 $(BIN)/python -m pytest -q -m train

test-cluster: $(VENV)/cluster
	$(BIN)/python -m pytest -q -m cluster

golden: $(VENV)/golden
	$(BIN)/python -m pytest -q $(GOLDEN)

attacks: $(VENV)/test
	$(BIN)/python attacks/run_attacks.py

conformance: $(VENV)/golden
	$(BIN)/python conformance/archive.py

fuzz: $(VENV)/fuzz
	cd tests && PYTHONPATH=.. $(abspath $(BIN))/python -m fuzz.minute $(FUZZ)

test-exact: $(VENV)/exact
	$(BIN)/python benchmarks/exactness/run.py $(EXACT)

viewer: $(VENV)/run viewer/node_modules/.package-lock.json
	cd viewer && npm run --silent build
	$(BIN)/python -m texcodec.viewer.site viewer/dist/models
	rm -rf texcodec/viewer/page && cp -r viewer/dist/page texcodec/viewer/page
	cp -r viewer/dist/models viewer/dist/page/models

test-viewer: viewer $(VENV)/golden
	$(BIN)/python viewer/test/samples.py build/viewer-samples
	$(BIN)/python viewer/test/profile_2_samples.py build/viewer-samples/profile-2
	$(BIN)/python viewer/test/colour_samples.py build/viewer-samples/colours
	cd viewer && PYTHON=$(abspath $(BIN))/python npm test --silent

viewer/node_modules/.package-lock.json: viewer/package.json viewer/package-lock.json
	cd viewer && npm ci --no-audit --no-fund --ignore-scripts
	touch $@

docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: $(VENV)/test
	$(PIP) ".[evaluate]"
	$(BIN)/python benchmarks/speed.py

format: $(VENV)/test
	$(BIN)/python -m ruff format .
	$(BIN)/python -m ruff check --fix .

$(VENV)/base:
	$(PYTHON) -c "import sys; sys.exit('Python 3.10 or newer is needed' if sys.version_info < (3, 10) else 0)"
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/run: $(VENV)/base pyproject.toml $(CONSTRAINTS)
	$(PIP) --editable .
	touch $@

$(VENV)/golden: $(VENV)/run
	$(PIP) "pytest>=8" "hypothesis>=6.100"
	touch $@

$(VENV)/fuzz: $(VENV)/golden
	$(PIP) "atheris>=3,<4"
	touch $@

$(VENV)/exact: $(VENV)/golden
	$(PIP) "scikit-image>=0.25"
	touch $@

$(VENV)/test: $(VENV)/run
	$(PIP) --editable ".[test]"
	touch $@

$(VENV)/train: $(VENV)/test
	$(PIP) --editable ".[test,train]"
	touch $@

$(VENV)/cluster: $(VENV)/test
	$(PIP) --editable ".[test,ray]"
	touch $@

$(VENV)/docs: $(VENV)/run
	$(PIP) --editable ".[docs]"
	touch $@

clean:
	rm -rf viewer/node_modules viewer/dist texcodec/viewer/page .venv .venv-lowest demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
