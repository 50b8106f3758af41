# The commands of the project. `make help` lists them.
.DEFAULT_GOAL := help
# The first of these that runs, has a version from 3.11 to 3.13 (which the pins support) and has venv.
PYTHON ?= python3.11 python3.12 python3.13 python3 python
WILL_DO := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
VENV := .venv
BIN := $(VENV)/bin
AUDIT := $(VENV)/audit
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help repro test test-slow fuzz lint audit find-lr report verify-reproducible other-machines \
	place torture bench format constraints wheel clean-state clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

repro: $(VENV)/.run-ready ## run the pipeline on the data that params.yaml names (the embedded demo)
	@vigil put-back
	@vigil check-data
	dvc repro
	@echo
	@vigil headline
	@vigil explain-changes
	@echo
	@echo "Pictures:  metrics/plots/, data/*_report/, data/annotations/<video>/vis_data/"
	@echo "Curves:    dvc plots show   writes dvc_plots/index.html"
	@echo "Models:    models/"
	@echo "Your own:  docs/your-data.md"

test: $(VENV)/.dev-ready ## run the tests
	@# With more threads than cores, threads wait for each other; tests/conftest.py orders the files.
	OMP_NUM_THREADS=1 pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/.dev-ready ## run the tests that take minutes each
	pytest -m slow

fuzz: $(VENV)/.dev-ready ## run the tests with thousands of damaged inputs
	OMP_NUM_THREADS=1 VIGIL_FUZZ_ROUNDS=150 pytest -n 2 --dist loadfile -m 'slow or not slow' \
		--timeout 7200 tests/stages/test_fuzz.py tests/stages/test_fuzz_stages.py

lint: $(VENV)/.dev-ready ## check format, lint and types
	ruff format --check .
	ruff check .
	mypy src stages demo benchmarks && mypy campaigns

audit: $(VENV)/.dev-ready $(AUDIT)/.ready ## check licences (pyproject.toml) and known vulnerabilities
	$(AUDIT)/bin/pip-licenses --python $(BIN)/python --summary
	@# strict: without it, a package that cannot be looked up counts as safe
	$(AUDIT)/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

format: $(VENV)/.dev-ready ## format the code
	ruff format .
	ruff check --fix .

STAGE ?= train_detector
find-lr: $(VENV)/.run-ready ## sweep learning rates: make find-lr STAGE=train_detector
	vigil find-lr $(STAGE)

BASE ?= main
export BASE
report: $(VENV)/.run-ready ## compare the last run with a revision: make report BASE=main
	vigil report --base "$$BASE"

verify-reproducible: $(VENV)/.run-ready ## run the demo in two fresh clones and compare every byte
	python campaigns/verify_reproducible.py

other-machines: $(VENV)/.run-ready ## measure how results change with one thread or an older CPU
	python campaigns/other_machines.py

torture: $(VENV)/.run-ready ## kill the demo's pipeline 50 times, and check that nothing is lost
	python campaigns/torture.py

bench: $(VENV)/.dev-ready ## measure speed and memory, next to a straightforward implementation
	python benchmarks/run.py

constraints: $(VENV)/.dev-ready ## pin the versions of all installed packages
	{ echo '# Versions of everything that requirements*.txt bring along, as tested: `make constraints`.'; \
	  pip freeze --exclude-editable --exclude trackeval; } > constraints.txt

# Rests of an earlier build would be put into the wheel. With a fixed date, a wheel has the same bytes.
# pip makes an environment of its own for the build, so the libraries of a run are not needed.
wheel: | place $(VENV)/bin/pip ## build dist/vigil-<version>-py3-none-any.whl
	rm -rf build dist
	SOURCE_DATE_EPOCH=315532800 pip wheel --quiet --disable-pip-version-check --no-deps \
		--wheel-dir dist .
	rm -rf build

clean-state: ## delete cached results and checkpoints of stopped trainings
	rm -rf "$${VIGIL_STATE_DIR:-.vigil}"

clean: clean-state ## remove all generated files that git does not track
	rm -rf code data/demo data/attention data/frames data/annotations data/samples data/sample_report data/detection \
		data/detection_report data/splits data/embeddings data/predictions models

$(VENV)/bin/pip:
	@for python in $(PYTHON); do \
		if "$$python" -c '$(WILL_DO)' 2> /dev/null; then \
			echo "$$python -m venv $(VENV)"; exec "$$python" -m venv $(VENV); \
		fi; \
	done; \
	echo "make: expected Python 3.11, 3.12 or 3.13 with its venv, found none as: $(PYTHON);" \
		"name yours by PYTHON=/path/to/python" >&2; exit 1

# Installed scripts hold the path of their environment. In a moved or copied one they run other code.
place:
	@test ! -e $(VENV)/bin/pip || grep -qF "$$(cd $(VENV) && pwd -P)/bin/" $(VENV)/bin/pip || { \
		echo "make: $(VENV): expected to be made in this folder, which was moved or copied:" \
			"rm -rf $(VENV), and make again" >&2; exit 1; }

$(VENV)/.run-ready: requirements.txt constraints.txt pyproject.toml | place $(VENV)/bin/pip
	pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

# The audit tools have an environment of their own, since their dependencies are not pinned or tested.
$(AUDIT)/.ready: Makefile | place $(VENV)/bin/pip
	$(BIN)/python -m venv $(AUDIT)
	$(AUDIT)/bin/pip install --quiet --disable-pip-version-check pip-audit==2.10.1 pip-licenses==5.5.5
	touch $@

$(VENV)/.dev-ready: requirements-dev.txt requirements-oracles.txt $(VENV)/.run-ready
	pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	pip install --quiet --disable-pip-version-check --no-deps -r requirements-oracles.txt
	touch $@ $(VENV)/.run-ready
