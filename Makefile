# Every target sets up what it needs; nothing has to be installed by hand but Python 3.11, make and git.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PROTOS := $(wildcard proto/matcher/v1/*.proto)
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format proto proto-check lock benchmark quality models fuzz audit sbom clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP)  ## make the virtual environment from the lock file

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed ($(PYTHON) was not found)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || ./scripts/as-root apt-get install -y python3.11-venv
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)  ## nine agencies, 20,000 synthetic records, real processes: alerts and how right they are
	$(BIN)/python -m benchmarks demo

test: $(STAMP) lint proto-check tests/node/node_modules/.installed  ## everything CI runs; ends with pytest's closing line
	$(BIN)/python -m pytest -n auto --dist loadscope

tests/node/node_modules/.installed: tests/node/package-lock.json $(STAMP)
	cd tests/node && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --loglevel=error
	@touch $@

lint: $(STAMP)  ## ruff, mypy --strict, import contracts, buf
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint

format: $(STAMP)  ## let ruff put the code in form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

proto: $(STAMP)  ## generate matcher/v1 from proto/
	rm -f matcher/v1/*_pb2*
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iproto --python_out=. --grpc_python_out=. \
		--mypy_out=quiet:. --mypy_grpc_out=quiet:. $(PROTOS)

proto-check: $(STAMP)  ## matcher/v1 is what proto/ generates
	@rm -rf $(VENV)/generated && mkdir -p $(VENV)/generated
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iproto --python_out=$(VENV)/generated \
		--grpc_python_out=$(VENV)/generated --mypy_out=quiet:$(VENV)/generated \
		--mypy_grpc_out=quiet:$(VENV)/generated $(PROTOS)
	@diff -r -x __init__.py -x __pycache__ $(VENV)/generated/matcher/v1 matcher/v1 \
		|| { echo "matcher/v1 is not what proto/ generates: run 'make proto'"; exit 1; }

benchmark: $(STAMP)  ## append rate over TLS at 100,000 records, with precision and recall
	$(BIN)/python -m benchmarks throughput --records 100000 --json results/throughput.json

quality: $(STAMP)  ## ours on tokens beside Splink, recordlinkage, anonlink and the NHS rules (an hour or more)
	$(BIN)/python -m benchmarks quality --json results/quality.json

models: $(STAMP)  ## train the shipped match models anew
	$(BIN)/python -m benchmarks models

# what these need stands in an environment of its own: nothing else depends on it, or on the network
TOOLS := $(VENV)/tools
$(TOOLS)/.installed: scripts/requirements-tools.lock $(STAMP)
	$(PYTHON) -m venv --clear $(TOOLS)
	$(TOOLS)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r scripts/requirements-tools.lock
	@touch $@

FUZZ_SECONDS ?= 60
fuzz: $(TOOLS)/.installed  ## fuzz every decoder with atheris, FUZZ_SECONDS (60) each
	PYTHONPATH=$(TOOLS)/lib/python3.11/site-packages $(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

audit: $(TOOLS)/.installed  ## known vulnerabilities of the locked packages; fails where the service does not answer for each
	$(TOOLS)/bin/pip-audit --requirement requirements.lock --require-hashes --disable-pip --strict

sbom: $(TOOLS)/.installed  ## software bill of materials (CycloneDX) of the locked packages, in results/sbom.json
	@mkdir -p results
	$(TOOLS)/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible \
		--output-file results/sbom.json

lock:  ## resolve the lock file anew (needs uv)
	uv pip compile pyproject.toml --extra dev --generate-hashes --no-header --python-version 3.11 -o requirements.lock
	for peer in splink clk pseudopeople dupehell; do uv pip compile benchmarks/peers/requirements-$$peer.in --generate-hashes --no-header \
		--no-annotate --python-version 3.11 -o benchmarks/peers/requirements-$$peer.lock || exit 1; done
	uv pip compile benchmarks/peers/requirements-rldata.in --no-deps --generate-hashes --no-header --no-annotate \
		--python-version 3.11 -o benchmarks/peers/requirements-rldata.lock
	uv pip compile scripts/requirements-tools.in --generate-hashes --no-header --no-annotate --python-version 3.11 \
		-o scripts/requirements-tools.lock

clean:  ## remove what the targets made
	rm -rf $(VENV) demo-run crash-run fuzz-run results tests/node/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
