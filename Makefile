# make demo    a door with people, counted live, on this machine alone (SECONDS=60 SEED=1)
# make test    every test that can run here; says which cannot and why
# make check   format, lint, types, imports
# make proofs  the long versions of the proofs in `make test`
# make ncs-tools   brings the compiler for the Movidius stick, which `--check ncs` asks
# make bench-counting  counts the same boxes with other trackers and rules too, and renews docs/benchmarks.md
#                      (SEEDS=4, HEADCOUNT_DATA=DIR for the recordings)
# make test-ncs    the stick's file and worker on every OpenVINO of its time that can be had here
# make test-arm64  as root: the wheel on a 64-bit ARM Debian that QEMU emulates; takes minutes
# make test-install  as root: install.sh from a bare Debian with systemd, and new models for it, in a
#                    container; takes minutes
#                    (DEBIAN_SUITE=bookworm|trixie)
# TORCH=yes|no installs PyTorch for the training half or leaves it and its tests out;
#              by default it is installed where a build without CUDA is offered
# WORKERS=4    processes among which `make test` and `make proofs` share the tests; by default one for
#              each core, at most 8; with 0 they run one after the other

PYTHON ?= python3
SECONDS ?= 60
SEED ?= 1
TORCH ?= auto
WORKERS ?= auto
SEEDS ?= 4

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
# The tests of a file stay in one process, as they share what it made. One that takes its process
# along has failed; with another process in its place pytest-xdist 3.8 would wait for ever.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --max-worker-restart 0
TORCH_VERSION = $(shell grep '^torch==' constraints.txt)

.PHONY: demo test check proofs bench-counting ncs-tools test-ncs test-arm64 test-install clean

demo: .venv/demo.done
	@$(BIN)/headcount demo --seconds $(SECONDS) --seed $(SEED)

test: .venv/test-$(TORCH).done
	$(PYTEST) -m "not proof and not arm64 and not install"

check: .venv/test-$(TORCH).done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $$(grep -q yes .venv/torch-$(TORCH) || echo "-p edge -p deploy")
	$(BIN)/lint-imports

proofs: .venv/test-$(TORCH).done
	$(PYTEST) -m proof --timeout 3600

bench-counting: .venv-bench/done
	.venv-bench/bin/python -m pytest -q tests/test_counters.py
	.venv-bench/bin/python benchmarks/counting.py --seeds $(SEEDS)

ncs-tools: | $(BIN)/python
	@$(BIN)/python -m training.ncs.tools

test-ncs: .venv/test-$(TORCH).done
	$(BIN)/python -m pytest tests/ncs --timeout 600

test-arm64: .venv/test-$(TORCH).done
	nice $(BIN)/python -m pytest tests/arm64 -s

test-install: .venv/test-$(TORCH).done
	nice $(BIN)/python -m pytest tests/install -m install -s

$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/demo.done: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[demo]'
	@touch $@

.venv/torch-$(TORCH): constraints.txt .ci/torch_choice.py | $(BIN)/python
	@$(BIN)/python .ci/torch_choice.py $(TORCH) $(TORCH_VERSION) > $@

.venv/test-$(TORCH).done: pyproject.toml constraints.txt .venv/torch-$(TORCH) | $(BIN)/python
	$(PIP) install -c constraints.txt -e ".[dev$$(grep -q yes .venv/torch-$(TORCH) && echo ,training,int8,pruning-bench)]"
	@touch $@ .venv/demo.done

# norfair needs an older rich than the tests run with.
.venv-bench/done: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-bench
	grep -v '^rich==' constraints.txt > .venv-bench/constraints.txt
	.venv-bench/bin/python -m pip --disable-pip-version-check -q install \
		-c .venv-bench/constraints.txt -e '.[bench]' pytest pytest-timeout
	@touch $@

clean:
	rm -rf .venv .venv-bench build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
