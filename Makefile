# One line per target: `make help`.  Every target does its own set-up; a second run finds it done and starts at once.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
ROUNDS ?= 5
ARGS ?=
# Several processes share the tests; with ARGS, which mostly name a few, one does them all unless it says -n too.
SHARED := -n auto
# The daemons that tests start by the hundred find their code compiled, whatever the environment says.
test test-fast check: export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help lab test test-fast bench check format proto build clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do \
		printf '%-18s %s\n' "$$target" "$$text"; done

lab: build ## play the lab's story: supervisor, two hosts, a physical switch and guests; no root needed
	$(BIN)/dvs lab --demo $(ARGS)

test: $(STAMPS)/test build ## run all tests; as root also the kernel engine and real QEMU guests
	$(BIN)/python -m pytest -rs $(if $(ARGS),,$(SHARED) --rules) $(ARGS)

test-fast: build ## run the tests that need no root, in about two minutes; of random examples a tenth
	DVS_TESTS=fast $(BIN)/python -m pytest -rs $(if $(ARGS),,$(SHARED)) -m "not kernel and not qemu and not slow" $(ARGS)

bench: $(STAMPS)/bench build ## measure against direct veth, the Linux bridge and Open vSwitch (ARGS=--quick: roughly)
	$(BIN)/python -m tests.bench $(ARGS)

check: build ## lint, types, formatting, generated files, size of functions, layering
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/check $(ARGS)

format: build ## reformat the Python sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

proto: $(STAMPS)/python ## generate the Python code of the protocol and of the drop reasons again
	$(BIN)/python deploy/proto.py
	$(BIN)/python -m vem.datapath.generate

build: $(STAMPS)/python ## make the virtual environment and build the datapath
	@$(BIN)/python -m vem.datapath.compile

clean: ## remove everything that was built, the virtual environment too
	rm -rf $(VENV) build vem/datapath/build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- set-up; a stamp says that it was done for these inputs

$(STAMPS)/test $(STAMPS)/bench: deploy/setup.sh $(STAMPS)/python
	@deploy/setup.sh $(@F)
	@touch $@

$(STAMPS)/python: pyproject.toml deploy/setup.sh
	@deploy/setup.sh build
	@deploy/venv.sh "$(PYTHON)" $(VENV)
	@mkdir -p $(STAMPS) && touch $@
