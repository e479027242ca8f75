# `make demo` and `make test` work on a fresh clone: they first set up .venv, once. Nothing needs root.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
WEB_READY := .venv/.ready-web
TEST_READY := .venv/.ready-test
INSTALL := $(BIN)/python -m pip install -qq -c constraints.txt

.PHONY: demo web test robosuite-test site lint clean

# A task that this generator was never trained on, one of the paper's nine.
demo: $(READY)
	$(BIN)/make-an-agent demo --env metaworld/door-lock-v3 --generator metaworld-41

# A page on this machine alone: demonstrations are chosen or uploaded, policies made and watched.
web: $(WEB_READY)
	$(BIN)/make-an-agent web

# One thread in each of the two processes, or they would fight over the cores.
test: $(TEST_READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

# The extra's own tests, the slow ones too: every task, arm and controller against robosuite itself.
robosuite-test: $(READY)
	$(INSTALL) -e '.[dev,robosuite]'
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/suites/test_robosuite*.py tests/docs/test_task_pages.py \
		-m "slow or not slow"

# The documentation as a site that asks no other host for anything: `python3 -m http.server -d site`.
site: $(READY)
	@$(INSTALL) -e '.[docs]'
	$(BIN)/python docs/build.py site

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src benchmarks

clean:
	rm -rf .venv build dist site .pytest_cache .ruff_cache .mypy_cache .hypothesis

# torch goes first: under its constraint, pip takes a CPU build where one is at hand.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || \
		{ echo "$(PYTHON) is not Python 3.11, 3.12 or 3.13; name one that is: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up .venv (once; a few minutes) ..."
	@$(PYTHON) -m venv .venv
	@$(INSTALL) torch
	@$(INSTALL) -e '.[dev,lerobot,onnx,publish,sb3]'
	@touch $@

$(WEB_READY): $(READY)
	@$(INSTALL) -e '.[web]'
	@touch $@

# What drives a browser in the page's tests, and what builds the site, is large; little else needs it.
$(TEST_READY): $(WEB_READY)
	@$(INSTALL) -e '.[docs,web-test]'
	@touch $@
