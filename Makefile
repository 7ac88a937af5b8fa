# `make run` is the main job on this machine, `make test` all tests; both set themselves up.
SHELL := bash
.DEFAULT_GOAL := help

UV_VERSION := 0.13.9
UV := $(or $(shell command -v uv 2>/dev/null),.tools/bin/uv)
PYTHON := .venv/bin/python
export UV_PYTHON_DOWNLOADS := never
unexport PYTHONDONTWRITEBYTECODE
export HF_HUB_OFFLINE := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export TOKENIZERS_PARALLELISM := false

# How images are built: a command that takes CONTEXT -t TAG -f FILE --build-arg K=V, one that lists what there
# is, and where they belong. TAG, if not given, is a hash of what they are made from.
IMAGE_BUILD ?= docker build
IMAGE_LIST ?= docker image ls --format '{{.Repository}}:{{.Tag}} {{.Size}}'
REGISTRY ?= localhost
BASE ?= python:3.11-slim
IMAGES = --registry "$(REGISTRY)" --base "$(BASE)" --tag "$(TAG)"

.PHONY: help setup run test check bench bench-router bench-routing soak render bases images lock-images test-cluster test-cluster-full test-vllm test-kserve seeds clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/ready ## install everything into .venv, from the lock file

.venv/ready: pyproject.toml uv.lock | $(UV)
	$(UV) sync --locked --extra laptop --compile-bytecode --quiet
	@touch $@

.tools/bin/uv:
	python3.11 -m venv .tools
	.tools/bin/pip install --quiet uv==$(UV_VERSION)

run: setup ## the main job: train gold on this machine and judge it (extra arguments: ARGS=...)
	.venv/bin/goldsmith run --profile laptop $(ARGS)

test: setup ## every test that needs no cluster, < 15 min on two cores
	$(PYTHON) -m pytest -q -n 2 --dist loadfile tests/unit tests/render tests/integration
	bash tests/policy/run.sh
	$(PYTHON) -m pytest -q tests/e2e

check: setup ## formatting, lint, types, layers
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

render: setup ## compile the pipelines and everything else that is generated
	$(PYTHON) -m pipelines.compile
	$(PYTHON) -m charts.render

bench: setup ## data validator and training; results in tests/bench/results
	for name in validator training; do $(PYTHON) tests/bench/bench_$$name.py || exit 1; done

.tools/references/ready: tests/bench/install.sh | $(UV)
	bash tests/bench/install.sh

bench-router: setup .tools/references/ready ## what the router costs a request and a chunk, beside other proxies
	$(PYTHON) -m tests.bench.bench_router --installed .tools/references

bench-routing: setup ## the routing rule against others on replayed traces, 20 seeds
	$(PYTHON) -m tests.bench.bench_routing

soak: setup ## serving in full counts: adapter swaps, traces, availability, fuzzing
	for name in adapters traces availability fuzz; do $(PYTHON) -m tests.bench.bench_$$name || exit 1; done

seeds: setup ## five laptop seeds in full; writes tests/bench/results/seeds.json
	$(PYTHON) tests/bench/bench_seeds.py

bases: setup ## train the shipped base models again (about 20 min)
	$(PYTHON) -m goldsmith.training.base.pretrain src/goldsmith/bases

images: setup ## build the images that are not there yet (IMAGE_BUILD=, REGISTRY=, TAG=, BASE=)
	$(PYTHON) -m images.build --builder "$(IMAGE_BUILD)" --list "$(IMAGE_LIST)" $(IMAGES)

lock-images: setup ## write images.lock.yaml: the digests of the images that REGISTRY holds
	$(PYTHON) -m images.lock $(IMAGES)

test-cluster: setup ## the chart, whole runs and serving on the cluster of KUBECONFIG (tests/cluster/conftest.py); needs make images
	$(PYTHON) -m pytest -q --durations=0 tests/cluster

test-cluster-full: setup ## the laptop profile on that cluster; writes tests/bench/results/cluster.json
	GOLDSMITH_TEST_FULL=1 $(PYTHON) -m pytest -q tests/cluster/test_full.py

test-vllm: ## load the tiers and an adapter in real vLLM on the CPU, in an environment of its own
	bash tests/vllm/run.sh

test-kserve: setup .tools/references/ready ## the router mounted on kserve's own server, in an environment of its own
	KSERVE_HOME=$(CURDIR)/.tools/references/kserve $(PYTHON) -m pytest -q -p no:xdist tests/kserve

clean: ## remove what set-up made
	rm -rf .venv .tools
