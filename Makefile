# Every target sets up what it needs in .venv; `make help` lists them.

PYTHON ?= python3
STORE ?= disk
CALLS ?= 200000
BIN := .venv/bin
# scripts/gen calls buf and python3 by name.
GEN := PATH="$(CURDIR)/$(BIN):$$PATH" scripts/gen
# tests/conftest.py says in which order files are taken up.
# A test at which a worker ends is given to another one, again and again: once is enough to know.
PYTEST := $(BIN)/python -m pytest -n logical --maxprocesses 4 --max-worker-restart 1 --dist loadfile --no-loadscope-reorder
# What builds packages, of Python and for another language, is tested where those are; the benchmark is tried there too.
TOOLS := tests/whole/test_package.py tests/whole/test_typescript.py tests/whole/test_bench.py
# What `make check` leaves out of tests/: what takes long, or is about stores, kills, packages and random programs.
SLOW := storms storage whole commands caching/test_cache_storm.py caching/test_cache_waits.py files/test_large_file.py \
	handles/test_search_oracle.py identity/faults identity/test_programs.py spool/test_spool_processes.py

.DEFAULT_GOAL := help
.PHONY: help demo serve format check test integrations odd pythons page pictures gen style lint figure type bench minio mutate chaos fuzz sdk conformance wild

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: .venv/.demo $(if $(filter s3,$(STORE)),.venv/.s3)  ## start the service, train models, check every byte, see them in a browser (STORE=s3: on a real S3 server)
	@$(BIN)/python examples/demo.py --store $(STORE)

serve: .venv/.demo  ## run the service with its data in .xpstore/ until Ctrl-C
	@$(BIN)/xpstore-server serve

format: .venv/.dev  ## format the code and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

check: style  ## a quick look: style, layers, circles, and tests on SQLite and disk but for the slow ones
	$(PYTEST) --backend sqlite-disk $(SLOW:%=--ignore=tests/%)

test: .venv/.dev  ## run every check and every test
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint type
	$(BIN)/python -m compileall -q client server examples tests  # else a thousand programs of tests do it, where nothing is kept
	$(PYTEST) $(TOOLS:%=--ignore=%)

integrations: .venv-integrations/.ready  ## train with XGBoost, LightGBM, Keras, Optuna and scikit-learn, for real, in an environment of its own
	.venv-integrations/bin/python -m pytest tests/integrations --backend sqlite-disk

odd: .venv/.dev  ## run all tests in folders with odd names, under LC_ALL=C and without a home
	scripts/odd $(abspath $(BIN))/python -m pytest -n logical --maxprocesses 4 --dist loadfile -p no:cacheprovider

pythons:  ## run the tests of identity and cache with Python 3.11, 3.12 and 3.13, and name those that are not there
	@scripts/pythons

page:  ## build the page of server/web into the server (needs Node 20)
	@server/web/build

pictures: .venv/.dev  ## take the README's pictures of the page anew, on models that are trained for it (needs Chromium)
	OPENBLAS_NUM_THREADS=1 PYTHONPATH=examples:tests $(BIN)/python -m bench.page.pictures

gen: .venv/.dev  ## generate client/xpstore/v1 from proto/
	$(GEN)

style: .venv/.dev  ## check style, layers and circles
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/python scripts/house

figure: .venv/.dev  ## draw the packages of the client into docs/architecture.md
	$(BIN)/python scripts/house --write

# tests/contracts/1.0.binpb is the contract as it was tagged, and stays. proto/xpstore.binpb is all that clients may rely on
# today: `buf build --exclude-source-info -o proto/xpstore.binpb` moves it on, after additions.
lint: style  ## check style, layers, circles, contract and generated code
	$(BIN)/buf lint
	$(BIN)/buf breaking --against tests/contracts/1.0.binpb
	$(BIN)/buf breaking --against proto/xpstore.binpb
	$(GEN) --check
	@if command -v npm >/dev/null; then server/web/build --check; else echo "the page is not rebuilt: there is no npm"; fi

type: .venv/.dev  ## check types
	$(BIN)/mypy client/xpstore $(dir $(wildcard client/compat/*/*/__init__.py)) server/xpstore_server tests bench examples scripts scripts/house

sdk: .venv/.dev  ## make the packages of the other languages in build/sdk, and use each in a clean project elsewhere
	PYTHONPATH=tests $(BIN)/python -m conformance.sdk
	$(PYTEST) $(TOOLS)

conformance: .venv/.dev  ## run the scenarios of tests/conformance with every client whose tool chain is here, Connect's own, and a page in Chromium
	PYTHONPATH=tests $(BIN)/python -m conformance
	PYTHONPATH=tests $(BIN)/python -m conformance.browser
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/connect-conformance

wild: .venv/.dev  ## files of 200 MB and minutes of silence by way of nginx, haproxy and envoy
	XPSTORE_TEST_WILD_MB=200 XPSTORE_TEST_SLOW=1 $(BIN)/python -m pytest tests/wild --backend sqlite-disk

bench: .venv/.dev  ## measure speed and memory, beside minio and MLflow (BENCH=quick: only see that it runs)
	PYTHONPATH=examples:tests $(BIN)/python -m bench

minio:  ## build the MinIO server from its Go module, into a cache outside this folder
	scripts/minio

mutate: .venv/.dev  ## empty each public client method in turn and expect red tests
	PYTHONPATH=tests $(BIN)/python -m support.mutation

chaos: .venv/.dev  ## a hundred kills during uploads, ten thousand interleavings, a thousand ends, half a minute of silence
	PYTHONPATH=examples:tests $(BIN)/python -m support.chaos
	XPSTORE_TEST_INTERLEAVINGS=10000 $(BIN)/python -m pytest tests/storms/test_interleavings.py --timeout=0
	XPSTORE_TEST_ENDS=1000 $(BIN)/python -m pytest tests/storms/test_thousand_ends.py -s --timeout=0 --backend sqlite-disk
	XPSTORE_TEST_SILENCE=30 $(BIN)/python -m pytest tests/operation/test_silent_database.py tests/operation/s3/test_s3_silence.py -s --timeout=0
	XPSTORE_TEST_SAVERS=8 XPSTORE_TEST_OUTAGES=100 $(BIN)/python -m pytest tests/storms/test_sweep_storm.py tests/storms/test_outages.py --timeout=0
	XPSTORE_TEST_PROGRAMS=3000 XPSTORE_TEST_FILTERS=3000 $(BIN)/python -m pytest tests/identity/test_programs.py \
	  tests/handles/test_search_oracle.py --timeout=0

fuzz: .venv/.dev  ## make 200,000 calls that no client should make, on each backend (CALLS=1000: fewer; figures in build/)
	@mkdir -p build
	PYTHONPATH=tests:examples $(BIN)/python -m support.fuzz --calls $(CALLS) --csv build/fuzz-sqlite-disk.csv
	PYTHONPATH=tests:examples $(BIN)/python -m support.fuzz --calls $(CALLS) --backend postgres-s3 --csv build/fuzz-postgres-s3.csv
	PYTHONPATH=tests:examples $(BIN)/python -m support.fuzz --plot build/fuzz-*.csv

# One environment at three levels. A stamp is as old as the set of dependencies it stands for.
define install
$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(1)]'
endef

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "xpstore needs Python 3.11 or newer: install it (Debian: apt-get install python3.11-venv) and run 'make PYTHON=python3.11 ...'" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.demo: pyproject.toml | .venv/bin/python
	$(call install,demo)
	@touch $@

.venv/.s3: pyproject.toml .venv/.demo
	$(call install,s3)
	@touch $@

.venv-integrations/.ready: pyproject.toml | .venv/bin/python
	$(PYTHON) -m venv .venv-integrations
	.venv-integrations/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[integrations]'
	@touch $@

.venv/.dev: pyproject.toml | .venv/bin/python
	$(call install,dev)
	@touch .venv/.demo .venv/.s3 $@
