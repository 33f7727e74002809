# What people and CI type. Only python3 and make are assumed, and a container engine where containers
# are asked for: everything else is installed into .venv, pinned by hash.

PYTHON ?= python3
BACKEND ?= auto
SERVERS ?=
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
BENCH := $(VENV)/bench
EXAMPLE := $(VENV)/example
AUDIT := $(VENV)/audit
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url

.DEFAULT_GOAL := help
.PHONY: help test test-all example lint format images base-image catalogue upgrades requirements audit bench docs fuzz clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16
	@echo
	@echo "  make test-all BACKEND=docker             in containers (process, or auto: what is there)"
	@echo "  make test-all SERVERS='waitress gunicorn-gthread@23.0.0' ARGS='-k session'"

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); Python 3.11 or newer is needed: make PYTHON=python3.11 ..." >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "no virtual environment could be made; on Debian: apt install python3-venv" >&2; exit 2; }
	@echo "installing what is needed into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

test: $(READY) ## the project's own tests
	$(BIN)/python -m pytest -n auto $(ARGS)

test-all: $(READY) ## every check on every server; in containers where an engine answers
	$(BIN)/wsgi-conform run $(SERVERS) --backend $(BACKEND) $(ARGS)

$(EXAMPLE)/ready: requirements/example.txt $(READY)
	@test -x $(EXAMPLE)/bin/python || $(PYTHON) -m venv $(EXAMPLE)
	@$(EXAMPLE)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

example: $(EXAMPLE)/ready ## examples/flask_app: the tests of an ordinary application, on three servers
	@rm -rf $(EXAMPLE)/dist
	@# As others get it: a wheel, and no checkout.
	@$(BIN)/python -m hatchling build --target wheel --directory $(EXAMPLE)/dist >/dev/null
	@$(EXAMPLE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall $(EXAMPLE)/dist/*.whl
	cd examples/flask_app && ../../$(EXAMPLE)/bin/python -m pytest $(ARGS)
	cd examples/flask_app && ../../$(EXAMPLE)/bin/python -m pytest -n 2 $(ARGS)

lint: $(READY) ## ruff, mypy, and the workflow files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci examples/gitlab-ci.yml
	$(BIN)/check-jsonschema --check-metaschema conformance/results.schema.json

format: $(READY) ## write the code in the project's format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

images: ## build every image; PYTHON_VERSION=3.12 or BASE_IMAGE=... for another Python
	docker compose --profile all build

base-image: ## make the base image from Debian's packages, where no image registry is reached
	docker/base-image $${BASE_IMAGE:-python:$${PYTHON_VERSION:-3.13}-slim-trixie}

catalogue: $(READY) ## write anew what is generated from the code
	$(BIN)/python -m tests.mutants.table
	$(BIN)/wsgi-conform checks --format markdown > docs/checks.md
	$(BIN)/wsgi-conform servers --format markdown > docs/servers.md
	$(BIN)/python -m conformance.report.coverage > docs/coverage.md
	for page in capabilities command pep3333 schema; do \
		$(BIN)/python -m conformance.report.$$page > docs/$$page.md || exit 1; done
	$(BIN)/python -m conformance.report.upgrades > docs/upgrades.md
	$(BIN)/python -m conformance.report.support > docs/support.md
	$(BIN)/python -m tests.contract

upgrades: $(READY) ## run the pairs of releases with a known fix: does the suite notice?
	$(BIN)/python -m conformance.upgrades $(SERVERS)

requirements: $(READY) ## pin what environments and images install, as of today
	for file in docker/requirements/*.in; do $(COMPILE) $$file --output-file $${file%.in}.txt || exit 1; done
	$(COMPILE) pyproject.toml --output-file docker/requirements/conformance.txt
	$(COMPILE) pyproject.toml --group dev --all-extras --output-file requirements/dev.txt
	$(COMPILE) --group audit --output-file requirements/audit.txt
	$(COMPILE) --group bench --output-file requirements/bench.txt
	$(COMPILE) pyproject.toml --group example --output-file requirements/example.txt

$(AUDIT)/ready: requirements/audit.txt
	@test -x $(AUDIT)/bin/python || $(PYTHON) -m venv $(AUDIT)
	@$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

# What is known of a pinned release and does no harm here, as `--ignore-vuln ID`, with the reason in a
# comment. Every pin is the newest release that can be had; that a server is old is no reason.
AUDIT_IGNORED :=

audit: $(AUDIT)/ready ## ask for known vulnerabilities in all that is pinned; needs the network
	@# One that the service does not know counts as a finding: it was not looked at.
	@status=0; for file in requirements/*.txt docker/requirements/*.txt; do \
		echo "$$file"; \
		$(AUDIT)/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
			$(AUDIT_IGNORED) --requirement $$file || status=1; \
	done; exit $$status

$(BENCH)/ready: requirements/bench.txt $(READY)
	@test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement docker/requirements/reference.txt
	@touch $@

bench: $(BENCH)/ready ## how fast framework, server and suite are; needs wrk
	PYTHONPATH=. $(BENCH)/bin/python benchmarks/framework.py
	PYTHONPATH=. $(BENCH)/bin/python benchmarks/server.py
	PYTHONPATH=. $(BIN)/python benchmarks/suite.py

docs: $(READY) ## the documentation as a site, in site/; a broken link is an error
	@# The variable: Material tells of its successor otherwise, every time.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "site/index.html"

fuzz: $(READY) ## a million malformed requests for the reference server
	$(BIN)/python -m tests.serving.fuzz

clean: ## remove what was made here; environments in ~/.cache/wsgi-conform stay
	rm -rf $(VENV) results dist site .mypy_cache .ruff_cache .hypothesis
	find . \( -name __pycache__ -o -name .pytest_cache \) -type d -prune -exec rm -rf {} +
