# make demo: from synthesised songs to predictions of an emulated Cortex-M55. make test: all tests but the long ones.
# Both install what they need: scripts/setup-debian.sh, scripts/setup-venv.sh.

SHELL := /bin/bash
VENV := .venv
DEMO := .demo
PY := $(VENV)/bin/python
PYTEST := $(PY) -m pytest -n 2 --dist loadfile
STAMPS := $(VENV)/stamps

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test soak fuzz lint docs check clean distclean tools browser

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | while IFS=$$'\t' read -r target text; do \
		printf '  make %-10s %s\n' "$$target" "$$text"; done

demo: tools $(STAMPS)/run $(DEMO)/model/demo.keras ## train a small model on synthesised songs and run it on an emulated Cortex-M55
	@$(PY) examples/demo/demo.py $(DEMO)

test: tools browser $(STAMPS)/test ## run the tests (about 20 minutes on two cores)
	@$(PYTEST) -m "not soak"

soak: tools $(STAMPS)/test ## run the long tests
	@$(PYTEST) -m soak

fuzz: tools $(STAMPS)/test ## fuzz the readers of untrusted input for FUZZ_SECONDS (600), with libFuzzer where clang is
	@$(PY) -m tests.fuzz --seconds $(or $(FUZZ_SECONDS),600)

lint: $(STAMPS)/test ## ruff and mypy, which `make test` runs too
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

docs: $(STAMPS)/test ## build the documentation site into site/
	@$(PY) scripts/refresh_docs.py
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

check: ## exactly what CI does
	@.ci/run

clean: ## remove what demo and tests made
	@rm -rf $(DEMO) build dist site .pytest_cache .hypothesis .ruff_cache .mypy_cache
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## clean, and remove the virtual environment
	@rm -rf $(VENV)

tools:
	@scripts/setup-debian.sh

browser: tools
	@scripts/setup-debian.sh chromium

# A stamp is as old as the installation that it stands for; pyproject.toml is what it depends on.
$(STAMPS)/run: pyproject.toml scripts/setup-venv.sh scripts/find-python.sh | tools
	@scripts/setup-venv.sh $(VENV)
	@mkdir -p $(@D) && touch $@

$(STAMPS)/test: pyproject.toml scripts/setup-venv.sh scripts/find-python.sh | tools
	@scripts/setup-venv.sh $(VENV) test
	@mkdir -p $(@D) && touch $(STAMPS)/run $@

$(DEMO)/songs/stamp: examples/demo/songs.py | $(STAMPS)/run
	@rm -rf $(DEMO)/songs
	$(PY) examples/demo/songs.py $(DEMO)/songs
	@touch $@

$(DEMO)/model/demo.keras: $(DEMO)/songs/stamp examples/demo/train.py | $(STAMPS)/run
	$(PY) examples/demo/train.py $(DEMO)/songs $(DEMO)/model
