# Two commands matter: `make run` and `make test`. They need Python 3.11, pip, make and git.

.DEFAULT_GOAL := help
PORT ?= 8000
PYTHON := .venv/bin/python

# A shell's own settings must not change what these commands do.
unexport DATABASE_URL SECRET_KEY SECRETS_KEYS ALLOWED_HOSTS DJANGO_SETTINGS_MODULE
unexport PYTHONPATH PYTHONHOME GUNICORN_CMD_ARGS

# The first Python on the path that is 3.11, or nothing.
FIND_PYTHON = for name in python3.11 python3 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null \
	&& { echo "$$name"; break; }; done

# $(call set_up,demo|dev): makes .venv, or does nothing if it is there and up to date.
define set_up
	@python=$$($(FIND_PYTHON)); test -n "$$python" || { \
		echo "Standby needs Python 3.11, and none was found on the PATH." >&2; exit 1; }; \
	"$$python" portal/processes/setup.py $(1)
endef

.PHONY: help
help: ## Show this list
	@echo "Standby. Targets:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

.PHONY: run
run: ## Start the demo on 127.0.0.1:8000 (PORT=8001 for another port); Ctrl-C ends it
	$(call set_up,demo)
	@PORT=$(PORT) STANDBY_DEMO=true DJANGO_SETTINGS_MODULE=portal.settings PYTHONUNBUFFERED=1 \
		exec $(PYTHON) manage.py demo --with-parent

.PHONY: test
test: ## Run the whole test suite, on SQLite and on PostgreSQL
	$(call set_up,dev)
	@exec $(PYTHON) -m tests

.PHONY: check
check: ## Check format, lint, templates, types, settings and migrations
	$(call set_up,dev)
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m djlint templates --lint --quiet
	@$(PYTHON) -m mypy
	@$(PYTHON) -m tests.deployment

.PHONY: rehearse
rehearse: ## Run the production set-up on this machine, cut cables, restart all of it (root only)
	$(call set_up,dev)
	@exec $(PYTHON) -m tests.rehearsal

.PHONY: bench
bench: ## Measure what the design promises: name, ratio, target, ok or MISS
	$(call set_up,dev)
	@$(PYTHON) -m tests.bench

.PHONY: tour
tour: ## Take the pictures of README's tour anew
	$(call set_up,dev)
	@$(PYTHON) -m tests.tour

.PHONY: audit
audit: ## Ask for known vulnerabilities of the locked packages; needs the network
	$(call set_up,dev)
	@$(PYTHON) portal/processes/audit.py

.PHONY: soak
soak: ## Half an hour of work on PostgreSQL while everything around it fails
	$(call set_up,dev)
	@$(PYTHON) -m tests.soak $(SOAK)

.PHONY: reset
reset: ## Throw away the demo's data (var/)
	@rm -rf var && echo "The demo's data are gone; make run starts over."
