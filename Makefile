.DEFAULT_GOAL := help
.PHONY: help up demo test test-all test-compose soak check bench screenshots pictures env clean

help: ## Show this
	@echo "aTES. On a fresh Debian or Ubuntu with Python 3.11, 'make up' is all it takes."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  ./ates --help  the operator's command line"

up: ## Install what is missing, start everything, keep it alive until Ctrl-C
	@deploy/bootstrap.sh run
	@exec .venv/bin/python -m deploy.up --for-make

demo: ## A month of the company's life in the running system; ARGS="--days 7 --people 20" for a shorter one
	@deploy/bootstrap.sh run
	@exec .venv/bin/python -m deploy.demo $(ARGS)

# Four workers, whatever the cores: tests wait more than they compute.
PYTEST = .venv/bin/python -m pytest --numprocesses 4 --no-loadscope-reorder

test: env ## Run the tests, against real Postgres, RabbitMQ and a real browser
	$(PYTEST) $(ARGS)

test-all: env ## The same with those that are slow, as CI does: chaos, kills at every point, every page in several looks
	$(PYTEST) -m 'not soak and not compose' $(ARGS)

test-compose: env ## Build the image, and try docker-compose.yml with Docker, each container killed in turn
	deploy/docker/secrets.sh
	$(or $(ATES_COMPOSE),docker compose) build
	.venv/bin/python -m pytest -n0 -m compose $(ARGS)

soak: ## The tests that take their time, such as minutes of bytes at whatever reads a message
	@deploy/bootstrap.sh soak
	.venv/bin/python -m pytest -n0 -m soak $(ARGS)
	$(PYTEST) -m slow $(ARGS)

check: env ## Linters, types, import contracts, event schemas
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m deploy.schemas check

bench: env ## The benchmarks, with the naive way beside ours
	.venv/bin/python -m tests.benchmarks

screenshots: env ## Pictures of every page, in the folder screenshots/ or FOLDER=...
	.venv/bin/python -m tests.e2e.screenshots $(or $(FOLDER),screenshots)

pictures: env ## The pictures of the README, from a system in which 'make demo' has run
	.venv/bin/python -m tests.e2e.pictures

env: ## Install what is missing for development
	@deploy/bootstrap.sh dev

clean: ## Forget everything: the data of 'make up', the Python environment, caches
	@deploy/clean.sh
