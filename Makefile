# Thin on purpose: the work is in `watershed dev` (airflow/include/devstack). Every target installs what it lacks.
# POSIX make and sh. `make PYTHON=python3.12 up` takes another interpreter (3.11 to 3.13).
.POSIX:
.PHONY: help demo up snowflake spark spark-jvm status down lint docs lock pictures check test coverage test-compose test-kube test-spark faults bench \
  packages java kube-packages clean-state

PYTHON = python3
N = 1000
SEED =
KEEP =
UV_VERSION = 0.13.9
VENV = .venv
BIN = $(VENV)/bin
# Beside the project's packages: `uv pip sync` removes from them whatever the lock file does not name.
UV = $(VENV)/uv/bin/uv
STAMP = $(VENV)/.installed
TOOLS = $(VENV)/.installed-test
PEERS = $(VENV)/.installed-peers
SNOWFLAKE = $(VENV)/snowflake/.installed
SPARK = $(VENV)/.installed-spark
SPARK_JVM = $(VENV)/spark-jvm/.installed
LOCK = $(UV) pip compile --quiet --upgrade --generate-hashes --universal --no-annotate --no-header \
  --python-version 3.11
# The requirements of one extra, as pip reads them.
EXTRA = import sys, tomllib; \
  print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]], sep="\n")
# The longest first, so that the workers end together.
SUITES = tests/e2e tests/faults tests/integration tests/dags tests/unit
LEDGER = tests/integration/test_hop_grammar.py tests/integration/test_ledger.py tests/faults/test_races.py
# Each has PostgreSQL, an object store and message stand-ins of its own; two at a time have a whole Airflow.
WORKERS = 3
# Which domain the demo shows: ecommerce, telecoms, clinical or all.
DOMAIN = ecommerce
# Where files are refined in the demo: polars or spark; without it, as WATERSHED_ENGINE or .env says.
ENGINE =
# Other people's files that readers are tried on, from Debian's packages.
SPECTRUM = /usr/share/nodejs/csv-spectrum
UNICODE = /usr/share/unicode/NormalizationTest.txt.bz2
KUBE_LAB = ../shared/tools/kube-lab/kube-lab.sh
# Installs the Debian packages in $$missing and $$data; elsewhere says what `needs` them.
INSTALL = if ! command -v apt-get >/dev/null 2>&1; then \
	  test -z "$$missing" || { echo "$$needs (Debian: $$missing)." >&2; exit 1; }; \
	elif [ -n "$$missing$$data" ]; then \
	  if [ "$$(id -u)" = 0 ]; then as_root=; \
	  elif command -v sudo >/dev/null 2>&1; then as_root=sudo; \
	  else echo "$$needs: as root, apt-get install $$missing $$data; then try again." >&2; exit 1; fi; \
	  $$as_root apt-get -qq update && $$as_root apt-get -qq install -y --no-install-recommends $$missing $$data; fi
# Where the machine says that Python is to keep no bytecode, every process of a test would compile its libraries anew.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS)

help:
	@echo 'make demo         start a stack, run the pipelines on the sample data, show what arrived; KEEP=1 leaves it up'
	@echo '                  DOMAIN=telecoms shows the call centre, DOMAIN=clinical two studies, DOMAIN=all everything'
	@echo '                  ENGINE=spark refines its files on Spark'
	@echo 'make up           start the stack and leave it running; make status, make down'
	@echo 'make check        lint, unit tests, DAGs, ledger: two minutes, before each commit'
	@echo 'make test         run every test (WORKERS=3); make coverage does so and counts lines; make lint, bench, docs'
	@echo 'make test-compose  try docker-compose.yaml for real: demo, deaths of services, down and up'
	@echo 'make test-kube    run the jobs of packages/ in a real Kubernetes: KUBECONFIG and KUBE_REGISTRY, see docs/development.md'
	@echo 'make test-spark   refine on Spark: the same rows and refusals as on one machine; make spark installs what it needs'
	@echo 'make faults       kill workers a thousand times: nothing may be lost or doubled (N=1000 SEED=...)'
	@echo 'make clean-state  stop the stack and forget its data'

# Of the domains the telecoms one is loaded into a Snowflake that is stood in for.
demo: $(STAMP) $(if $(filter-out ecommerce clinical,$(DOMAIN)),$(SNOWFLAKE)) $(if $(filter spark,$(ENGINE)),$(SPARK))
	@keep='$(KEEP)'; $(if $(ENGINE),WATERSHED_ENGINE='$(ENGINE)') $(BIN)/watershed dev demo --domain '$(DOMAIN)' $${keep:+--keep}

up: $(STAMP) $(SNOWFLAKE)
	@$(BIN)/watershed dev up

snowflake: $(SNOWFLAKE)

spark: $(SPARK)

# Apache Spark itself, for a server or a cluster of one's own: `.venv/bin/python -m devstack.spark`.
spark-jvm: $(SPARK) $(SPARK_JVM) java

status: $(STAMP)
	@$(BIN)/watershed dev status

down: $(STAMP)
	@$(BIN)/watershed dev down

lint: $(TOOLS) $(SPARK)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy airflow/include
	MYPYPATH=airflow/include:benchmarks $(BIN)/mypy --ignore-missing-imports benchmarks
	$(BIN)/lint-imports

# The catalogue of DAGs says the same whatever the two addresses are.
docs: $(STAMP)
	@WATERSHED_BUCKET=watershed WATERSHED_LEDGER_URL=postgresql://localhost/watershed $(BIN)/watershed docs

# After a change of the dependencies in pyproject.toml: versions and hashes for every platform, no addresses.
# requirements.lock is what `make demo` and the image install; the others hold what an extra adds, and agree with it.
# The Snowflake stand-in has libraries of its own, beside those of the core, of which it needs an older one.
lock: $(STAMP)
	@$(LOCK) --excludes requirements.excluded --extra celery --extra devstack pyproject.toml -o requirements.lock
	@for extra in test peers spark; do $(BIN)/python -c '$(EXTRA)' $$extra \
	  | $(LOCK) --constraint requirements.lock - -o requirements-$$extra.lock || exit 1; done
	@$(BIN)/python -c '$(EXTRA)' snowflake | $(LOCK) --no-deps - -o requirements-snowflake.lock
	@$(BIN)/python -c '$(EXTRA)' spark-jvm | $(LOCK) --no-deps - -o requirements-spark-jvm.lock

check: lint
	$(PYTEST) -q $(LEDGER) tests/dags tests/unit

test: $(TOOLS) packages
	$(PYTEST) --durations=20 $(SUITES)

# Every test as `make test` and `make test-spark` run it, with lines counted in every process, the cheapest way there is.
# PySpark takes a worker of pytest-xdist for a doctest of its own.
coverage: $(TOOLS) spark-jvm packages
	export COVERAGE_CORE=$$($(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")'); \
	  $(PYTEST) --cov --cov-report= --cov-fail-under=0 $(SUITES) && \
	  PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --cov --cov-append --cov-report=term tests/spark

# In a project and on ports of its own: no other stack of this machine is touched.
test-compose: $(TOOLS)
	$(BIN)/python -m pytest tests/compose

# In a namespace of its own: pods of the packages, as their DAGs start them. docs/development.md says what it needs.
test-kube: $(TOOLS) kube-packages
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --durations=10 tests/kube

# On Sail executors run in the tests' own processes, on Apache Spark beside them; one worker, since each uses all cores.
test-spark: $(TOOLS) spark-jvm
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest tests/spark
	WATERSHED_ENGINE=spark PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest tests/integration/test_deliveries.py

# The README's pictures, of a real stack.
pictures: $(TOOLS) packages
	@$(BIN)/python -m devstack.pictures

# N kills and more; SEED repeats a run's files and choices. docs/reliability.md says what is looked at.
faults: $(TOOLS)
	@$(BIN)/python -W ignore -m tests.faults.campaign "$(N)" "$(SEED)" "$(DOMAIN)"
	@$(BIN)/python -W ignore -m tests.faults.mutants

bench: $(PEERS)
	@for question in benchmarks/*.py; do $(BIN)/python "$$question" || exit 1; done

# Tests look at pages and messages as a person would, read a real MariaDB, and try readers on other people's files.
packages:
	@PATH="$$PATH:/usr/sbin"; missing=; data=; \
	command -v chromium >/dev/null 2>&1 || missing='chromium fonts-noto-color-emoji'; \
	command -v mariadbd >/dev/null 2>&1 || missing="$$missing mariadb-server"; \
	test -d $(SPECTRUM) || data=node-csv-spectrum; \
	test -e $(UNICODE) || data="$$data unicode-data"; \
	needs='make test needs chromium and mariadbd on PATH'; $(INSTALL)

# Spark 4 runs on Java 17 or 21.
java:
	@missing=; data=; command -v java >/dev/null 2>&1 || missing=openjdk-17-jre-headless; \
	needs='Apache Spark needs Java 17 or 21 on PATH'; $(INSTALL)

# What starts a Kubernetes where there is a lab for it and KUBECONFIG names none.
kube-packages:
	@PATH="$$PATH:/usr/sbin:/sbin"; missing=; data=; \
	if [ -z "$$KUBECONFIG" ] && [ -e $(KUBE_LAB) ]; then \
	  command -v etcd >/dev/null 2>&1 || missing="$$missing etcd-server"; \
	  command -v containerd >/dev/null 2>&1 || missing="$$missing containerd"; \
	  command -v docker-registry >/dev/null 2>&1 || missing="$$missing docker-registry"; \
	  test -d /usr/lib/cni || missing="$$missing containernetworking-plugins"; \
	  command -v conntrack >/dev/null 2>&1 || missing="$$missing conntrack"; \
	  command -v iptables >/dev/null 2>&1 || missing="$$missing iptables"; \
	  command -v ip >/dev/null 2>&1 || missing="$$missing iproute2"; \
	  command -v openssl >/dev/null 2>&1 || missing="$$missing openssl"; \
	  command -v xz >/dev/null 2>&1 || missing="$$missing xz-utils"; \
	  command -v gcc >/dev/null 2>&1 || missing="$$missing gcc libc6-dev"; \
	fi; needs='make test-kube needs KUBECONFIG'; $(INSTALL)

clean-state: $(STAMP)
	@$(BIN)/watershed dev down
	@$(BIN)/watershed dev down --state var/demo/stack
	rm -rf var

# The stamp comes last, and an interrupted installation begins again from nothing (packages come from uv's cache).
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo 'Watershed needs Python 3.11, 3.12 or 3.13: try make PYTHON=python3.12' >&2; exit 1; }
	@rm -f $(STAMP); if [ -e $(VENV)/.installing ]; then rm -rf $(VENV); fi
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || { \
	  echo "$(PYTHON) cannot make a virtual environment with pip: on Debian, apt-get install python3-venv." >&2; \
	  rm -rf $(VENV); exit 1; }
	@touch $(VENV)/.installing
	@$(UV) --version 2>/dev/null | grep -q ' $(UV_VERSION) ' || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target $(VENV)/uv uv==$(UV_VERSION)
	@rm -f $(TOOLS) $(PEERS) $(SPARK)
	@VIRTUAL_ENV=$(VENV) $(UV) pip sync --quiet --require-hashes requirements.lock
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --editable .
	@rm $(VENV)/.installing; touch $(STAMP)

$(SNOWFLAKE): $(STAMP) requirements-snowflake.lock
	@rm -rf $(VENV)/snowflake
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --target $(VENV)/snowflake --no-deps --require-hashes \
	  -r requirements-snowflake.lock
	@touch $(SNOWFLAKE)

$(TOOLS): $(STAMP) $(SNOWFLAKE) requirements-test.lock
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --require-hashes -r requirements-test.lock
	@touch $(TOOLS)

$(PEERS): $(STAMP) requirements-peers.lock
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --require-hashes -r requirements-peers.lock
	@touch $(PEERS)

$(SPARK): $(STAMP) requirements-spark.lock
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --require-hashes -r requirements-spark.lock
	@touch $(SPARK)

$(SPARK_JVM): $(STAMP) requirements-spark-jvm.lock
	@rm -rf $(VENV)/spark-jvm
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --target $(VENV)/spark-jvm --no-deps --require-hashes \
	  -r requirements-spark-jvm.lock
	@touch $(SPARK_JVM)
