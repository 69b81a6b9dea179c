# Everything runs on a fresh Debian 12 or 13 with nothing but `git` and `make`: each target does its own set-up.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
# A lab needs root; the environment (cache folder, waiting scale) goes along.
SUDO := $(shell [ "$$(id -u)" -eq 0 ] || echo sudo --preserve-env)
UV = $(or $(shell command -v uv),$(BIN)/uv)
BUILD := build

.PHONY: help setup setup-tests drill test sweep mutants soak lint format lab lab-down bench reference translations wheel lock clean

help: ## Show the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing: system packages (apt), .venv
	@scripts/setup.sh

setup-tests: setup ## Install what only tests need, too
	@scripts/setup.sh tests

drill: setup ## The whole drill in a lab: provision, protect, power cut, failover, proof in build/drill
	@mkdir -p $(BUILD)/drill
	$(SUDO) $(BIN)/lpse-ops drill lab

test: setup-tests ## All tests, in stages, with counts
	$(BIN)/python scripts/test.py

sweep: setup-tests ## Kill the controller at every step of every plan, resume, check; build/sweep.json (ONLY=text, SEED=n)
	$(SUDO) $(BIN)/python -m tests.faults.sweep --only "$(ONLY)" $(if $(SEED),--seed $(SEED))

MINUTES = 20
soak: setup-tests ## Random faults and commands under load (MINUTES=n SEED=s ROUND=r); build/soak-SEED.json
	$(SUDO) $(BIN)/python -m tests.faults.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(ROUND),--round $(ROUND))

mutants: setup-tests ## Take one protection away at a time: does a test notice? build/mutants.json (ONLY=text)
	$(BIN)/python -m tests.faults.mutants --only "$(ONLY)"

lint: setup ## ruff, mypy, yamllint, shellcheck, ansible-lint
	@scripts/lint.sh

format: setup ## Format Python code
	$(BIN)/ruff check --fix-only --quiet . ; $(BIN)/ruff format .

lab: setup ## Start a lab named `default`
	$(SUDO) $(BIN)/lpse-ops lab up

lab-down: setup ## Stop that lab
	$(SUDO) $(BIN)/lpse-ops lab down

bench: setup ## Measure: site load, help, commands, failover
	$(BIN)/python -m benchmarks.site_load
	$(SUDO) $(BIN)/python -m benchmarks.commands
	$(SUDO) $(BIN)/python -m benchmarks.failover

reference: setup ## Write what is derived from the model and the specs: example site.yml, docs/inventory.md, role READMEs
	$(BIN)/python scripts/reference.py

translations: setup ## Collect messages, update and compile the catalogue
	$(BIN)/python scripts/catalogue.py

wheel: setup ## Build the wheel into dist/
	$(UV) build --wheel --quiet

lock: setup ## Resolve the dependencies again
	$(UV) lock --upgrade

clean: ## Remove what was built (not .venv, not the lab)
	rm -rf $(BUILD) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
