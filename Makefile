# Two commands: `make demo` shows hydra at work, `make test` proves it. Both do all set-up themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml Cargo.toml Cargo.lock $(shell find python rust examples -type f -not -path '*/__pycache__/*' -not -name '*.so')

.PHONY: demo test lint clean

demo: $(VENV)/installed
	$(BIN)/python examples/billing/run.py $(DEMO_OPTIONS)

test: lint
	cargo test --workspace --release --quiet
	$(BIN)/pytest -n 2 --dist worksteal $(TEST_OPTIONS)

lint: $(VENV)/tools
	cargo clippy --workspace --all-targets --release --quiet -- --deny warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The release wheel and what it needs to run.
$(VENV)/installed: $(BIN)/python $(SOURCES)
	@echo "building hydra (a minute or two the first time)"
	$(BIN)/pip install --quiet --disable-pip-version-check .
	touch $@

# The same, and what the tests need.
$(VENV)/tools: $(BIN)/python $(SOURCES)
	@echo "building hydra and fetching the tools (a minute or two the first time)"
	$(BIN)/pip install --quiet --disable-pip-version-check '.[dev]'
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) target dist demo
