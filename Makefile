# The front door. `make demo` and `make test` need nothing but this checkout: they set up what is missing.
# A foreign python3 first on PATH would crash qgis_process, so every target starts from the system's own.
export PATH := /usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin
export QT_QPA_PLATFORM ?= offscreen
SHELL := /bin/sh
DEV := .engine/dev/bin
VERSION := $(shell sed -n 's/^version=//p' metadata.txt)
ZIP := dist/eo_pretrain_qgis-$(VERSION).zip

FUZZ ?= 9000

.PHONY: help setup demo test fuzz lint docs package dev clean

help:  ## shows this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile | expand -t 16

setup:  ## installs what is missing: QGIS on Debian 12 as root, the engine in .engine/
	@sh .ci/setup.sh

demo: setup  ## runs the whole path on a simulated landscape; ends with maps and a QGIS project in demo/
	@/usr/bin/python3 docs/demo.py demo

test: setup  ## runs all tests
	@sh .ci/test.sh

fuzz: setup  ## gives every reader FUZZ damaged inputs (9000 unless set), with the same seeds each time
	@EOPRETRAIN_ENGINE=$(CURDIR)/.engine/train EOPRETRAIN_FUZZ=$(FUZZ) $(DEV)/python -m pytest tests -q -k fuzz --ignore tests/toolbox \
		--timeout 0 -n auto --dist worksteal

lint: setup  ## ruff, mypy, bandit and detect-secrets, as the QGIS plugin site runs them
	@$(DEV)/ruff check .
	@$(DEV)/mypy
	@$(DEV)/bandit -q -r eo_pretrain_qgis
	@$(DEV)/python .ci/secrets_gate.py
	@echo "lint: no finding by ruff, mypy, bandit and detect-secrets."

docs: setup  ## writes the ready models, docs/algorithms and the tables of docs/evidence
	@/usr/bin/python3 docs/ready_models.py
	@/usr/bin/python3 -m eo_pretrain_qgis docs docs/algorithms --overwrite
	@/usr/bin/python3 docs/evidence/tables.py

package:  ## writes the installable zip of the last commit into dist/
	@mkdir -p dist
	@git archive --format=zip -o $(ZIP) --prefix=eo_pretrain_qgis/ --add-file=metadata.txt --add-file=LICENSE \
		--prefix=eo_pretrain_qgis/models/ --add-file=models/catalog.json \
		--prefix=eo_pretrain_qgis/models/cards/ $(patsubst %,--add-file=%,$(wildcard models/cards/*.md)) \
		--prefix=eo_pretrain_qgis/ HEAD:eo_pretrain_qgis
	@echo "package: $(ZIP), $$(du -k $(ZIP) | cut -f1) kB; install it in QGIS under Plugins > Install from ZIP."

dev:  ## links the plugin into the QGIS profile named by PROFILE (default: the user's default profile)
	@/usr/bin/python3 .ci/link_plugin.py "$(PROFILE)"

clean:  ## removes what was made here, except the engine
	@rm -rf demo dist .pytest_cache .mypy_cache .ruff_cache
