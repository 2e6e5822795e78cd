# `make demo` and `make test` set up all they need in .venv; nothing has to be installed by hand but
# Python 3.11 and a C compiler.
PYTHON ?= python3
VENV := .venv
BENCH := .bench-venv
QUICK := .bench-quick-venv
TOOLS := .tools-venv
PY := $(VENV)/bin/python
# Neighbours stay together, since they often share a compiled program; who is done first takes over from the other.
PYTEST_ARGS ?= -n 2 --dist worksteal -q

# Where bytecode is not kept, each program that a test starts compiles all of foldnet again, for a quarter of a second.
unexport PYTHONDONTWRITEBYTECODE

FUZZ ?= 100000

.PHONY: demo test test-quick exhaustive test-seconds test-fresh fuzz soak mutants lint bench bench-quick docs dist clean

demo: $(VENV)/.base
	$(VENV)/bin/foldnet demo

# The page of `explain` is tested in a Chromium where there is one; the summary says so where there is none.
test: $(VENV)/.dev
	$(PY) -m pytest $(PYTEST_ARGS)

# The everyday loop, about a minute: the part of the suite that tests/support/quick.py chooses by measured times.
test-quick: $(VENV)/.dev
	$(PY) -m pytest $(PYTEST_ARGS) --quick

# The largest errors of elementwise functions over each of the 2^32 floats: about half an hour.
exhaustive: $(VENV)/.dev
	FOLDNET_EXHAUSTIVE=1 $(PY) -m pytest -p no:xdist -q tests/native/test_maths.py -k largest_error

# What each test takes, measured anew in one process: tests/seconds.json, from which the quick part is chosen.
test-seconds: $(VENV)/.dev
	$(PY) -m pytest -p no:xdist -q --measure

# Damaged and lying files, in two processes; each file has 2 seconds and 600 MB. FUZZ=1000 tries fewer.
fuzz: $(VENV)/.dev
	for part in 0 1; do $(PY) tests/files/fuzz.py $$((part * $(FUZZ) / 2)) $$(($(FUZZ) / 2)) & jobs="$$jobs $$!"; done; \
	for job in $$jobs; do wait $$job || failed=1; done; test -z "$$failed"

# Random networks against live Keras. SOAK=100 makes fewer, SOAK="100 --seed 5000" others, SOAK="--minutes 60" takes an hour.
SOAK ?= 1000
soak: $(VENV)/.dev
	$(PY) -m tests.soak.soak $(SOAK)

# The suite as on a new machine: a new home folder, no warm cache, and of programs only those named here, so neither
# clang nor Chromium. PYTEST_ARGS="-n 2 -q tests/native" runs a part of it.
FRESH := .fresh
FRESH_TOOLS := as bash cat cc env gcc git ld make nm sh sleep uname
test-fresh: $(VENV)/.dev
	rm -rf $(FRESH)
	mkdir -p $(FRESH)/bin $(FRESH)/home $(FRESH)/tmp
	for tool in $(FRESH_TOOLS); do ln -s "$$(command -v $$tool)" $(FRESH)/bin/ || exit 1; done
	env -i HOME="$(CURDIR)/$(FRESH)/home" PATH="$(CURDIR)/$(FRESH)/bin" TMPDIR="$(CURDIR)/$(FRESH)/tmp" FOLDNET_TESTS_KEEP=0 \
		$(FRESH_ENV) $(PY) -m pytest -p no:cacheprovider $(PYTEST_ARGS)
	rm -rf $(FRESH)

# Small faults put into the code one by one: which do the tests not notice? MUTANTS="--count 20 user_cache.py" tries fewer.
MUTANTS ?= --count 200 --minutes 60
mutants: $(VENV)/.dev $(TOOLS)/.ready
	$(TOOLS)/bin/python scripts/mutants.py --python $(CURDIR)/$(PY) $(MUTANTS)

lint: $(VENV)/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports --no-cache --no-logo

# Speed against other programs: docs/benchmarks. BENCH_ARGS="--case 784 --threads 1" runs a part, "--quick" fewer turns.
BENCH_ARGS ?=
bench: $(BENCH)/.ready
	$(BENCH)/bin/python benchmarks/run.py $(BENCH_ARGS)

# Whether anything is slower than recorded, in less than two minutes. QUICK_ARGS=--record records what is measured.
QUICK_ARGS ?=
bench-quick: $(QUICK)/.ready
	$(QUICK)/bin/python benchmarks/quick.py $(QUICK_ARGS)

# The documentation site, in site/: it needs no server and no network. A warning is an error.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build

# What is published: the sdist and wheels, in dist/.
dist: $(VENV)/.dev
	rm -rf dist
	$(PY) scripts/dist.py dist

# A Python for aarch64, which tests run under qemu-user: Debian's packages, unpacked and not installed.
.arm64:
	scripts/arm64_python.sh .arm64

clean:
	rm -rf $(VENV) $(BENCH) $(QUICK) $(TOOLS) $(FRESH) .test-cache .arm64 build dist site src/*.egg-info demo-output

$(PY):
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip

# A compiled extension makes single predictions fast; a change of its source installs the project again.
SOURCES := pyproject.toml constraints.txt $(wildcard setup.py src/foldnet/predictor/*.[ch])

$(VENV)/.base: $(PY) $(SOURCES)
	rm -f src/foldnet/predictor/_fastcall*.so
	$(PY) -m pip install --quiet -c constraints.txt -e .
	touch $@

# The packages whose Keras files the tests open are downloaded, not installed. Modules are compiled when they are first
# imported: the tests import few of all that these packages hold, and compiling all of it takes half a minute.
$(VENV)/.dev: $(VENV)/.base tests/real/packages.txt
	$(PY) -m pip install --quiet --no-compile -c constraints.txt -e '.[dev]'
	$(PY) -m pip download --quiet --no-deps --only-binary :all: -d $(VENV)/packages -r tests/real/packages.txt
	touch $@

# The peers live in environments of their own, so that their dependencies cannot change what the tests see.
$(BENCH)/.ready: $(SOURCES) benchmarks/requirements.txt benchmarks/requirements-quick.txt tests/real/packages.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --upgrade pip
	$(BENCH)/bin/python -m pip install --quiet -c constraints.txt -e . -r benchmarks/requirements.txt
	$(BENCH)/bin/python -m pip download --quiet --no-deps --only-binary :all: -d $(BENCH)/packages -r tests/real/packages.txt
	touch $@

$(QUICK)/.ready: $(SOURCES) benchmarks/requirements-quick.txt
	$(PYTHON) -m venv $(QUICK)
	$(QUICK)/bin/python -m pip install --quiet --upgrade pip
	$(QUICK)/bin/python -m pip install --quiet -c constraints.txt -e . -r benchmarks/requirements-quick.txt
	touch $@

$(TOOLS)/.ready: constraints.txt scripts/mutants-requirements.txt
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --upgrade pip
	$(TOOLS)/bin/python -m pip install --quiet -c constraints.txt -r scripts/mutants-requirements.txt
	touch $@
