# MemoryGuard Imaging. `make demo` shows everything, `make test` proves it.
SHELL := /bin/bash
VENV  := .venv
BIN   := $(VENV)/bin
HOME_OF_DEMO := memoryguard-demo
HOME_OF_CLUSTER := memoryguard-cluster

# The first interpreter that is new enough and not too new.
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
    command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
    && { command -v $$p; break; }; done)

.PHONY: help demo stop web web-test kafka cluster test lint types docs compliance bench lock clean

help:
	@echo "make demo [KEEP=1]  the whole platform on a synthetic person (KEEP=1 leaves it running)"
	@echo "make stop           stop a demo that was left running"
	@echo "make web            the web application, with Node 20.19 or later; make demo builds it, too"
	@echo "make web-test       lint and test the web application"
	@echo "make kafka          a real Apache Kafka broker on 127.0.0.1:9092, without Docker"
	@echo "make cluster        Kafka, PostgreSQL, two replicas of every service, nginx; no Docker"
	@echo "make test           every test"
	@echo "make lint types     ruff, import-linter; strict types"
	@echo "make docs           write the generated documents again"
	@echo "make compliance     run the tests that docs/COMPLIANCE.md names, and write it again"
	@echo "make bench          the benchmarks of docs/BENCHMARKS.md"
	@echo "make lock           resolve the dependencies again"
	@echo "make clean          remove the environment and the demo's data"

demo: $(VENV)/runtime
	@$(MAKE) --no-print-directory web || echo "going on without the web application: everything else works"
	@$(BIN)/memoryguard demo --home $(HOME_OF_DEMO) $(if $(KEEP),--keep)

stop: $(VENV)/runtime
	@$(BIN)/memoryguard down --home $(HOME_OF_DEMO)

kafka: $(VENV)/runtime .kafka/libs
	@$(BIN)/python -m memoryguard.common.testing.broker --jars .kafka/libs --folder .kafka/broker

cluster: $(VENV)/runtime .kafka/libs
	@$(BIN)/python deploy/local/cluster.py --jars .kafka/libs --home $(HOME_OF_CLUSTER)

test: $(VENV)/dev
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: $(VENV)/dev
	@$(BIN)/basedpyright

docs: $(VENV)/dev
	@$(BIN)/python tools/documents.py
	@$(BIN)/python tools/routes.py

compliance: $(VENV)/dev
	@$(BIN)/python tools/compliance.py

bench: $(VENV)/dev
	@$(BIN)/python benchmarks/run.py

# --- environment: installed from hashed locks; uv only makes it fast ---------------------------

$(VENV)/bin/uv: requirements-installer.lock
	@test -n "$(PYTHON)" || { echo "missing: Python >= 3.11 and < 3.14" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	    || { echo "missing: Python's venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --require-hashes -r requirements-installer.lock
	@touch $@

$(VENV)/runtime: $(VENV)/bin/uv requirements.lock pyproject.toml
	@echo "installing from requirements.lock"
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/dev: $(VENV)/runtime requirements-dev.lock
	@echo "installing from requirements-dev.lock"
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

# --- the web application, into the package of the service that serves it -----------------------

APP := services/api/src/memoryguard/api/app/index.html
WEB := services/api/src/memoryguard/api/names.json $(shell find web libs/common/schemas -type f -not -path '*/node_modules/*' -not -path '*/contracts/*')

web: $(APP)
	@:

web-test: $(APP)
	@cd web && npm run -s lint && npm run -s test

$(APP): $(WEB)
	@node -e '[a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' \
	    2>/dev/null || { echo "missing: Node 20.19 or later" >&2; exit 1; }
	@echo "building the web application with Node $$(node --version)"
	@cd web && npm ci --silent --ignore-scripts --no-audit --no-fund && npm run -s build -- --logLevel warn
	@touch $@

# --- jars from Maven Central: Apache Kafka, and veraPDF that checks reports --------------------

.kafka/libs: deploy/kafka/pom.xml
.verapdf/libs: tests/contract/verapdf/pom.xml

.kafka/libs .verapdf/libs:
	@for tool in java mvn; do command -v $$tool >/dev/null || { \
	    echo "missing: $$tool (Debian: apt-get install openjdk-17-jre-headless maven)" >&2; exit 1; }; done
	@echo "fetching $@ with Maven"
	@rm -rf $@
	@MAVEN_OPTS="-Duser.home=$$HOME $$MAVEN_OPTS" mvn -q -B -Dstyle.color=never $(MAVEN_ARGS) \
	    -f $< dependency:copy-dependencies \
	    -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/$@.new
	@mv $@.new $@ && touch $@

# --- the locks ---------------------------------------------------------------------------------

lock: $(VENV)/bin/uv
	@$(BIN)/uv pip compile pyproject.toml --extra cli --extra dev --universal --generate-hashes \
	    --no-header -q -o requirements-dev.lock
	@printf 'hatchling\neditables\n' | $(BIN)/uv pip compile pyproject.toml - --extra cli --universal \
	    --generate-hashes --no-header --no-annotate -q -c requirements-dev.lock -o requirements.lock
	@echo uv | $(BIN)/uv pip compile - --universal --generate-hashes --no-header -q \
	    -o requirements-installer.lock

clean:
	@test ! -f $(HOME_OF_DEMO)/run.json || $(BIN)/memoryguard down --home $(HOME_OF_DEMO)
	@rm -rf $(VENV) $(HOME_OF_DEMO)
