# The front door. `make demo` and `make test` need nothing but this checkout: they set up what is missing.
# A foreign python3 first on PATH would crash qgis_process, so every target starts from the system's own.
export PATH := /usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin
export QT_QPA_PLATFORM ?= offscreen
SHELL := /bin/sh
DEV := .engine/dev/bin
VERSION := $(shell sed -n 's/^version=//p' metadata.txt)
ZIP := dist/eo_pretrain_qgis-$(VERSION).zip

FUZZ ?= 9000

.PHONY: help setup demo demo-themes test fuzz lint docs pictures translations package release matrix dev clean

help:  ## shows this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile | expand -t 20

setup:  ## installs what is missing: QGIS on Debian 12 and newer as root, the engine in .engine/
	@sh .ci/setup.sh

demo: setup  ## runs the whole path on a simulated landscape; ends with maps and a QGIS project in demo/
	@/usr/bin/python3 docs/demo.py demo

demo-themes: setup  ## maps each theme from its bundled model, simulated ground and scenes of DATA; ends in demo/themes/
	@/usr/bin/python3 docs/demo_themes.py demo/themes "$(DATA)"

test: setup  ## runs all tests
	@sh .ci/test.sh

fuzz: setup  ## gives every reader FUZZ damaged inputs (9000 unless set), with the same seeds each time
	@EOPRETRAIN_ENGINE=$(CURDIR)/.engine/train EOPRETRAIN_FUZZ=$(FUZZ) $(DEV)/python -m pytest tests -q -k fuzz --ignore tests/toolbox \
		--timeout 0 -n auto --dist worksteal

lint: setup  ## ruff and mypy; bandit, detect-secrets and flake8 as the plugin site runs them, and qgis-plugin-analyzer
	@$(DEV)/ruff check .
	@$(DEV)/mypy
	@$(DEV)/python .ci/site_gate.py
	@echo "lint: no finding by ruff, mypy, bandit, detect-secrets, flake8 and qgis-plugin-analyzer."

docs: setup  ## writes the ready models, docs/algorithms and the tables of docs/evidence, and builds all pages as dist/site
	@/usr/bin/python3 docs/ready_models.py
	@/usr/bin/python3 -m eo_pretrain_qgis docs docs/algorithms --overwrite
	@/usr/bin/python3 docs/evidence/tables.py
	@/usr/bin/python3 .ci/pages.py

pictures: setup  ## makes the pictures of the documents in a window of QGIS that nobody sees; DATA=FOLDER adds maps of real scenes
	@/usr/bin/python3 docs/make_pictures.py "$(DATA)"

translations: setup  ## lists the words of titles, labels and choices in toolbox/i18n/*.ts and compiles them
	@/usr/bin/python3 .ci/translations.py

package:  ## writes the installable zip of the last commit into dist/, with the help pages and the addresses of release.toml
	@/usr/bin/python3 .ci/package.py $(ZIP)

release: package  ## makes dist/release of the zip, a repository of its own, from which qgis-plugin-ci uploads a release
	@sh .ci/release.sh $(ZIP) $(VERSION)

matrix:  ## tries the last commit on other releases of Debian, as root: SUITES (default: trixie sid) in MATRIX (default: below /var/tmp)
	@sh .ci/matrix.sh $(SUITES)

dev:  ## links the plugin into the QGIS profile named by PROFILE (default: the user's default profile)
	@/usr/bin/python3 .ci/link_plugin.py "$(PROFILE)"

clean:  ## removes what was made here, except the engine
	@rm -rf demo dist .pytest_cache .mypy_cache .ruff_cache
