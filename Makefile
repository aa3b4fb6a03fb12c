# run: everything on this machine, with a first mail.  test, check, bench: for developers.  seed: demo data.
# messages: the words to translate, in locale/django.pot and in each language's list; LANGUAGE=de begins one.
# lock: the locks follow the lists again, keeping what need not change; a lock that was removed is made wholly anew.
VENV ?= .venv
PYTHON ?= python3
PY = $(VENV)/bin/python
CHECKED = XMNOTIFY_VAR=.cache/check
PIP = $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes
LOCK = $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: run test check bench seed format lock messages setup setup-dev tools keys

run: setup keys
	@exec $(PY) manage.py quickstart

test: setup-dev
	@exec $(PY) -m tests.matrix $(TESTS)

check: setup-dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(PY) -m tests.locks
	$(VENV)/bin/bandit --quiet --recursive --configfile pyproject.toml .
	@$(CHECKED) $(PY) -m xmnotify.quickstart.keys
	$(CHECKED) $(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(CHECKED) $(PY) manage.py makemigrations --check --dry-run
	$(CHECKED) XMNOTIFY_TLS=on XMNOTIFY_TRUSTED_PROXIES=10.0.0.0/24 $(PY) manage.py check --deploy --fail-level WARNING
	@if [ -d templates ]; then set -x; $(VENV)/bin/djlint --quiet --check --lint templates; fi

bench: setup-dev
	@exec $(PY) -m bench

seed: setup keys
	@$(PY) manage.py migrate --verbosity 0
	@exec $(PY) manage.py seed

format: setup-dev
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

messages: setup-dev keys
	@command -v xgettext >/dev/null || { echo "gettext is missing: install it (Debian: apt install gettext)."; exit 1; }
	@mkdir -p locale
	@$(PY) manage.py makemessages --verbosity 0 $(if $(LANGUAGE),--locale $(LANGUAGE),--all) --keep-pot --no-location \
	  $(foreach part,tests bench simulators var,--ignore $(part))

keys:
	@$(PY) -m xmnotify.quickstart.keys

lock: setup-dev
	$(LOCK) requirements.txt --output-file requirements.lock
	$(LOCK) requirements-dev.txt --constraints requirements.lock --output-file requirements-dev.lock

# A copy of the lock in the environment tells what is installed there.
setup: tools
	@cmp -s requirements.lock $(VENV)/requirements.lock || { \
	  echo "Installing into $(VENV) ..." && $(PYTHON) -m venv $(VENV) && \
	  $(PIP) -r requirements.lock && cp requirements.lock $(VENV)/requirements.lock; }

setup-dev: setup
	@cmp -s requirements-dev.lock $(VENV)/requirements-dev.lock || { \
	  echo "Installing the developers' tools into $(VENV) ..." && \
	  $(PIP) -r requirements-dev.lock && cp requirements-dev.lock $(VENV)/requirements-dev.lock; }

tools:
	@command -v git >/dev/null || { echo "git is missing: install it (Debian: apt install git)."; exit 1; }
	@command -v $(PYTHON) >/dev/null || { \
	  echo "Python 3.11 or later is missing: install it (Debian: apt install python3 python3-venv)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is older than Python 3.11: name a newer one, for example make run PYTHON=python3.12."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "Python's venv module is missing: install it (Debian: apt install python3-venv)."; exit 1; }
