# Every command of the project lives here; README, CONTRIBUTING and CI point to it.
# Needs make (GNU 3.81 or newer), a POSIX shell and Python 3.11 or newer. uv is used when it is on PATH.

PORT ?= 8000
PYTHON := .venv/bin/python
RUNTIME := .venv/.runtime
DEVELOPMENT := .venv/.development
READY := var/.ready
# Environments of the portal's clients, beside the one of Node; each is locked in tests/clients/requirements-<name>.txt.
CLIENTS := python licensespring2 licensespring3 licensespring4
LOCKED := requirements requirements-tracing requirements-dev $(CLIENTS:%=tests/clients/requirements-%) \
	bench/peers/requirements deploy/requirements-check

SOURCES := manage.py sso_portal accounts groups tokens demo bench examples tests scripts
TEMPLATES := templates
MIGRATIONS := $(wildcard */migrations/*.py)
STATIC := $(shell find sso_portal/static -type f 2>/dev/null)
# Two at once; who has done his half takes from the other's, so that what tests share is mostly set up once.
PYTEST := $(PYTHON) -m pytest -n 2 --dist worksteal
COMPILE := uv pip compile --quiet --system-certs --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

# Some images forbid Python to keep byte code, for leaner layers: each process here would compile all it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run code test test-sqlite test-postgresql attacks secrets faults nodes clients check format messages lock clean FORCE
.PHONY: check-format check-lint check-types check-imports check-templates
.PHONY: check-migrations check-deploy check-deploy-files check-locked check-vendored check-messages
.PHONY: bench bench-growth peers

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

# --- Running ---------------------------------------------------------------------------------------------------------

run code: export PORT := $(PORT)

run: $(READY) ## Start the portal on PORT (8000) and the demo CRM on the port after it
	@$(PYTHON) manage.py demo
	@$(PYTHON) -m demo.run

code: $(RUNTIME) .env ## Print the second-factor codes of the demo administrators
	@$(PYTHON) manage.py demo --code

# Brings database and static files up to date; again when one of them is gone or another database is asked for.
$(READY): $(RUNTIME) .env $(MIGRATIONS) $(STATIC) \
		$(if $(DATABASE_URL),FORCE) $(if $(wildcard var/portal.sqlite3),,FORCE) $(if $(wildcard var/static),,FORCE)
	@mkdir -p var
	@$(PYTHON) manage.py collectstatic --noinput --verbosity 0 & collecting=$$!; \
		$(PYTHON) manage.py migrate --verbosity 0 && $(PYTHON) manage.py createcachetable && wait $$collecting
	@touch $@

# Demo mode and two secrets, readable by this user alone. Never overwritten.
.env: | $(RUNTIME)
	@umask 077 && { echo DEMO=on; $(PYTHON) scripts/new_secrets.py; } > .env.part && mv .env.part .env

$(RUNTIME): requirements.txt
	@sh scripts/install.sh requirements.txt
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(RUNTIME)
	@sh scripts/install.sh requirements-dev.txt
	@touch $@

# --- Testing and checking --------------------------------------------------------------------------------------------

# One after the other, stopping at the first that fails: the last line is always the verdict.
test: $(DEVELOPMENT) clients ## Run every test: on SQLite with a real browser and real clients, then on PostgreSQL
	@sh scripts/chromium.sh
	@rm -rf var/clients/rows
	@echo "Tests on SQLite, browser and clients included"
	@$(PYTEST) -m "not postgresql"
	@$(PYTHON) -m tests.clients.table
	@echo "Tests on PostgreSQL"
	@DATABASE=postgresql $(PYTEST) -m "not browser and not clients"

test-sqlite: $(DEVELOPMENT) ## Run the tests on SQLite, without browser and clients
	@$(PYTEST) -m "not postgresql and not browser and not clients"

test-postgresql: $(DEVELOPMENT) ## Run the tests on PostgreSQL, without browser and clients
	@DATABASE=postgresql $(PYTEST) -m "not browser and not clients"

attacks: $(DEVELOPMENT) ## Run the attack suite alone, which is part of every run: hostile requests, parsers, timing, secrets
	@$(PYTEST) tests/attacks

secrets: $(DEVELOPMENT) ## Run the tests on SQLite, and look after each for secrets: in logs, rows, and answers that refuse
	@SECRETS=everywhere $(PYTEST) -m "not postgresql and not browser and not clients"

# Takes up to ten minutes and both cores; needs root, to mount a small disk, and Debian, or these programs.
faults: $(DEVELOPMENT) ## Break a portal of two nodes in every way that docs/faults.md lists; the table is in var/faults.md
	@sh scripts/programs.sh nginx=nginx-light valkey-server,redis-server=redis-server faketime=faketime
	@$(PYTHON) -m pytest tests/faults -s --show-capture=no

# Takes some minutes and both cores; needs root and Debian, or these programs.
nodes: $(DEVELOPMENT) var/deploy-check/.installed ## Let nodes come and go under 200 pops a second; the table is in var/nodes.md
	@sh scripts/programs.sh nginx=nginx-light haproxy=haproxy valkey-server,redis-server=redis-server pgbouncer=pgbouncer
	@$(PYTHON) -m pytest tests/nodes -s --show-capture=no

# Minutes, and both cores, on a machine that does nothing else. PEERS=1 measures other providers too, RECORD=1 writes
# what was found into docs/performance.md; PARTS, ROUNDS, SECONDS and CONNECTIONS as `python -m bench --help` says.
bench: $(DEVELOPMENT) $(if $(PEERS),peers) ## Measure the portal beside the floor of its machine; tables and chart are in var/bench/
	@sh scripts/programs.sh wrk=wrk
	@$(PYTHON) -m bench $(PARTS) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(CONNECTIONS),--connections $(CONNECTIONS)) $(if $(PEERS),--peers) $(if $(RECORD),--record)

bench-growth: $(DEVELOPMENT) ## Measure with a million agents and ten million tokens; takes half an hour and 20 GB in /var/tmp
	@$(MAKE) --no-print-directory bench PARTS=growth RECORD=$(RECORD)

peers: $(DEVELOPMENT)
	@sh bench/peers/install.sh

clients: $(CLIENTS:%=var/clients/%/.installed) ## Install the portal's clients as their registries have them, to test with
	@sh scripts/node_clients.sh

var/clients/%/.installed: tests/clients/requirements-%.txt | $(DEVELOPMENT)
	@mkdir -p var/clients
	@sh scripts/install.sh $< var/clients/$*
	@touch $@

check: check-format check-lint check-types check-imports check-templates ## Run every check but the tests
check: check-migrations check-deploy check-deploy-files check-locked check-vendored check-messages

check-format: $(DEVELOPMENT)
	$(PYTHON) -m ruff format --check $(SOURCES)

check-lint: $(DEVELOPMENT)
	$(PYTHON) -m ruff check $(SOURCES)

check-types: $(DEVELOPMENT)
	sh scripts/as_production.sh $(PYTHON) -m mypy

check-imports: $(DEVELOPMENT)
	$(PYTHON) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

check-templates: $(DEVELOPMENT)
	$(PYTHON) -m djlint --check $(TEMPLATES)
	$(PYTHON) -m djlint --quiet --lint $(TEMPLATES)

check-migrations: $(DEVELOPMENT)
	sh scripts/as_production.sh $(PYTHON) manage.py makemigrations --check --dry-run

check-deploy: $(DEVELOPMENT)
	sh scripts/as_production.sh $(PYTHON) manage.py check --deploy --fail-level WARNING

check-deploy-files: var/deploy-check/.installed
	sh scripts/check_deploy_files.sh

var/deploy-check/.installed: deploy/requirements-check.txt | $(DEVELOPMENT)
	@mkdir -p var
	@sh scripts/install.sh $< var/deploy-check
	@touch $@

# Compiles copies, starting from the present pins, so that a release published since changes nothing.
check-locked: $(DEVELOPMENT)
	@rm -rf var/lock && mkdir -p var/lock/tests/clients var/lock/bench/peers var/lock/deploy
	@for file in $(LOCKED); do cp $$file.in $$file.txt var/lock/$$(dirname $$file) || exit 1; done
	cd var/lock && for file in $(LOCKED); do \
		$(abspath $(PYTHON)) -m $(COMPILE) $$file.in -o $$file.txt >/dev/null || exit 1; \
	done
	@for file in $(LOCKED); do \
		diff -u $$file.txt var/lock/$$file.txt || { echo "$$file.txt does not match its .in file; run make lock" >&2; exit 1; }; \
	done

check-vendored: $(DEVELOPMENT)
	$(PYTHON) scripts/check_vendored.py

# Needs GNU gettext's xgettext, to collect the texts.
check-messages: $(DEVELOPMENT)
	$(PYTHON) scripts/messages.py --check

messages: $(DEVELOPMENT) ## Collect the texts into locale/, and compile what is translated
	$(PYTHON) scripts/messages.py

format: $(DEVELOPMENT) ## Put code and templates into the house format
	$(PYTHON) -m ruff check --fix-only --quiet $(SOURCES)
	$(PYTHON) -m ruff format $(SOURCES)
	-$(PYTHON) -m djlint --quiet --reformat $(TEMPLATES)

# The locked files only change where the .in files ask for it; make lock UPGRADE=--upgrade moves every pin.
lock: $(DEVELOPMENT) ## Compile every requirements*.in into its locked file
	for file in $(LOCKED); do $(PYTHON) -m $(COMPILE) $(UPGRADE) $$file.in -o $$file.txt >/dev/null || exit 1; done

clean: ## Remove everything that make made: .venv, var with the demo database, .env, caches
	rm -rf .venv var .env .env.part .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
