# `make demo` shows hydra at work, `make test` proves it, `make bench` measures it. Each does all set-up itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FAILED := .pytest_cache/v/cache/lastfailed
# Where tests keep their databases: in memory where that has room for all of them, since no test can cut the power.
IN_MEMORY := $(shell df --output=avail /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 > 15e6 { print "/dev/shm" }')
# Containers often forbid Python to keep what it compiled: each of pytest's processes would compile hydra again.
unexport PYTHONDONTWRITEBYTECODE
SOURCES := pyproject.toml Cargo.toml Cargo.lock $(shell find python rust examples -type f -not -path '*/__pycache__/*' -not -name '*.so')

.PHONY: audit demo test debian nightly races bench lint rust-lint rust-checks python-checks rewritten-tests docs clean

demo: $(VENV)/installed
	$(BIN)/python examples/billing/run.py $(DEMO_OPTIONS)

# Checks that need one core each share two, and Rust's are made while Python's tools are fetched; meanwhile pytest
# rewrites its modules once, for all of its processes.
test: debian
	@echo "building hydra, fetching the tools, checking the sources (some minutes the first time)"
	$(MAKE) --no-print-directory --jobs 2 --output-sync=target rust-checks python-checks docs rewritten-tests
	rm -f $(FAILED)
	@# Most of the tests' time is waiting, for leases, ends and clocks: more processes than cores. What they leave is
	@# gone with their folder, in which a database server may run that is not root's.
	folder=$$(mktemp -d "$${TMPDIR:-$(or $(IN_MEMORY),/tmp)}/t.XXXXXX") && chmod 711 "$$folder" && export TMPDIR="$$folder" && \
		trap 'rm -rf "$$folder"' EXIT && trap 'exit 130' INT TERM && \
		{ $(BIN)/pytest -n 7 --dist worksteal --durations=25 $(TEST_OPTIONS) || \
		{ [ $$? = 1 ] && $(BIN)/python -m tests.support.second_try $(FAILED); }; }

# What the tests need of Debian's packages; nothing where it is there.
debian:
	bash .ci/tools

# The long forms of all tests, each with its bound, and a page of what came of them: `target/nightly/nightly.md`.
# NIGHTLY_OPTIONS='--list' says what there is, '--only soak' and '--share 0.01' run less.
nightly: $(VENV)/tools
	$(BIN)/python -m tests.support.nightly $(NIGHTLY_OPTIONS)

# Nightly, about an hour a database: every pair of verbs about one execution, a thousand times on each database.
races: $(VENV)/tools
	HYDRA_RACE_ROUNDS=$(or $(ROUNDS),1000) $(BIN)/pytest -q -s tests/stores/test_store_race_pairs.py

# Known weaknesses of all that is depended on, Python's and Rust's. It fails where a package could not be looked up, too.
# The first time it builds `cargo audit`, some minutes.
audit: $(VENV)/tools target/audit/bin/pip-audit target/audit/bin/cargo-audit
	$(BIN)/pip freeze --exclude-editable --exclude hydra-engine > target/audit/installed.txt
	target/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement target/audit/installed.txt
	target/audit/bin/cargo-audit audit --deny warnings

target/audit/bin/pip-audit:
	$(PYTHON) -m venv target/audit
	target/audit/bin/pip install --quiet --disable-pip-version-check pip-audit

target/audit/bin/cargo-audit:
	cargo install cargo-audit --quiet --locked --root target/audit

# All figures of benches/README.md but the slow one, `claim.py`; some minutes, on a machine that does nothing else.
bench: $(VENV)/tools
	$(BIN)/pytest -q benches/test_parts.py benches/test_micro.py
	for script in submit drain store pickup claimers payloads recovery memory bulk; do (cd benches && ../$(BIN)/python $$script.py) || exit 1; done

lint: rust-lint python-checks

rust-lint:
	cargo clippy --workspace --all-targets --release --quiet -- --deny warnings

# The binding has no tests of its own in Rust: it is not built a second time, in a form that no wheel has.
rust-checks: rust-lint
	cargo test --package hydra-core --release --quiet

python-checks: $(VENV)/tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

rewritten-tests: $(VENV)/tools
	$(BIN)/pytest --collect-only -qq $(TEST_OPTIONS) > /dev/null || true  # the run itself will say why

# The documentation site, in `site/`; a warning is an error. `$(BIN)/mkdocs serve` shows it while you write.
docs: $(VENV)/tools
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict  # `--quiet` would count no warning

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The release wheel and what it needs to run.
$(VENV)/installed: $(BIN)/python $(SOURCES)
	@echo "building hydra (a minute or two the first time)"
	$(BIN)/pip install --quiet --disable-pip-version-check .
	touch $@

# The same, and what the tests need: uv fetches that in a tenth of pip's time. Where only pip's own settings lead to
# packages, uv finds none, and pip fetches what is missing.
$(VENV)/tools: $(BIN)/python $(SOURCES)
	@echo "building hydra and fetching the tools (a minute or two the first time)"
	-$(BIN)/pip install --quiet --disable-pip-version-check uv && \
		$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement pyproject.toml --extra dev
	$(BIN)/pip install --quiet --disable-pip-version-check '.[dev]'
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) target dist demo site
