VENV ?= .venv
PY = $(VENV)/bin/python

.PHONY: format
format:
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .
