# make demo    a door with people, counted live, on this machine alone (SECONDS=60 SEED=1)
# make test    every test that can run here; says which cannot and why
# make check   format, lint, types, imports
# make proofs  the long versions of the proofs in `make test`
# TORCH=no     leaves out PyTorch and the tests of the training half

PYTHON ?= python3
SECONDS ?= 60
SEED ?= 1
TORCH ?= yes

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: demo test check proofs clean

demo: .venv/demo.done
	$(BIN)/headcount demo --seconds $(SECONDS) --seed $(SEED)

test: .venv/test-$(TORCH).done
	$(BIN)/python -m pytest

check: .venv/test-$(TORCH).done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

proofs: .venv/test-$(TORCH).done
	$(BIN)/python -m pytest -m proof --timeout 3600

$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/demo.done: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[demo]'
	touch $@

.venv/test-yes.done: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing with PyTorch for the training half; TORCH=no leaves it out."
	$(PIP) install -c constraints.txt -e '.[dev,training]'
	touch $@ .venv/demo.done

.venv/test-no.done: pyproject.toml constraints.txt | $(BIN)/python
	@echo "TORCH=no: the tests of the training half that need PyTorch will be skipped."
	$(PIP) install -c constraints.txt -e '.[dev]'
	touch $@ .venv/demo.done

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
