# Every command of the platform. `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
HOUSING_STORAGE ?= .housing
override HOUSING_STORAGE := $(abspath $(HOUSING_STORAGE))
export HOUSING_STORAGE
DEMO := $(CURDIR)/.housing/demo
export DAGSTER_HOME ?= $(HOUSING_STORAGE)/dagster
export MLFLOW_TRACKING_URI ?= sqlite:///$(HOUSING_STORAGE)/mlflow.db
export DAGSTER_DISABLE_TELEMETRY ?= yes
export BENTOML_DO_NOT_TRACK ?= True
export MLFLOW_DISABLE_TELEMETRY ?= true

.PHONY: help setup demo materialize test check dev serve versions rollback bench lock clean

help:  ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/installed $(DAGSTER_HOME)/dagster.yaml  ## make the environment from the lock file

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed, %s is %s: make PYTHON=python3.12 ..." % (sys.executable, sys.version.split()[0])) if not (3, 11) <= sys.version_info[:2] <= (3, 13) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DAGSTER_HOME)/dagster.yaml:  # only where there is none: a DAGSTER_HOME of your own keeps its configuration
	@mkdir -p $(DAGSTER_HOME) && ln -s $(CURDIR)/dagster.yaml $@

materialize: setup  ## materialize every asset from the settings (docs/settings.md)
	$(BIN)/dg launch --assets '*'
	@$(BIN)/python -m housing_assets.summary

demo:  ## the whole way from synthetic ads to a registered model, with a summary
	@HOUSING_SOURCE= $(MAKE) --no-print-directory materialize HOUSING_STORAGE=$(DEMO) \
		DAGSTER_HOME=$(DEMO)/dagster MLFLOW_TRACKING_URI=sqlite:///$(DEMO)/mlflow.db

test: setup  ## run every test
	$(BIN)/python -m pytest -n auto --dist loadfile

check: setup  ## format, lint, types, rules of import
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

dev: setup  ## lineage page on :3000 (webserver and daemon), MLflow on :5000 (but where MLFLOW_TRACKING_URI is a server)
	@trap 'kill 0' EXIT INT TERM; \
	case "$$MLFLOW_TRACKING_URI" in http*) ;; *) $(BIN)/mlflow server --backend-store-uri "$$MLFLOW_TRACKING_URI" \
		--port 5000 & esac; \
	$(BIN)/dg dev --port 3000 & wait

serve: setup  ## serve the version in production over HTTP on :3100
	$(BIN)/python -m resources.versions export $(HOUSING_STORAGE)/served
	HOUSING_MODEL_FOLDER=$(HOUSING_STORAGE)/served BENTOML_HOME=$(HOUSING_STORAGE)/bentoml \
	$(BIN)/bentoml serve bento_service.service:HousingPriceClassifier --port $${HOUSING_PORT:-3100}

versions: setup  ## registered versions with their audit trail
	@$(BIN)/python -m resources.versions

rollback: setup  ## point production at the version before (TO=version REASON=text)
	@$(BIN)/python -m resources.versions rollback $(if $(TO),--to $(TO)) $(if $(REASON),--reason "$(REASON)")

bench: setup  ## compare with the usual way; writes benchmarks/README.md
	$(BIN)/python -m benchmarks.training

lock:  ## resolve requirements.lock anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --extra dev -o requirements.lock pyproject.toml

clean:  ## remove the environment and everything that was materialized
	rm -rf .venv .housing .pytest_cache .mypy_cache .ruff_cache .hypothesis
