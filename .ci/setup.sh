#!/bin/sh
# Installs what is missing: QGIS (on Debian 12, as root), the engine in .engine/, and the development tools beside it.
# A second run finds everything and ends at once. Any other system gets one sentence that says what to install.
set -eu
cd "$(dirname "$0")/.."
PATH=/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin
export PATH

fail() { echo "setup: $1" >&2; exit 1; }

install_qgis() {
    . /etc/os-release 2>/dev/null || true
    [ "${VERSION_CODENAME:-}" = bookworm ] && [ "$(id -u)" = 0 ] ||
        fail "QGIS 3.40 or newer with its Python (qgis_process, python3-qgis) is not installed; install it with your system's packages and run again."
    backports=/etc/apt/sources.list.d/eo-pretrain-backports.sources
    if ! apt-cache policy 2>/dev/null | grep -q bookworm-backports; then
        stanza=$(grep -ls 'bookworm-updates' /etc/apt/sources.list.d/*.sources | head -n 1)
        [ -n "$stanza" ] || fail "no Debian sources stanza was found to copy for bookworm-backports; add that suite by hand and run again."
        awk 'BEGIN { RS = ""; ORS = "\n\n" } /Suites:[^\n]*bookworm-updates/ { sub(/Suites:[^\n]*/, "Suites: bookworm-backports"); print }' \
            "$stanza" > "$backports"
    fi
    echo "setup: installing QGIS (some minutes) ..."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -t bookworm-backports \
        qgis python3-qgis qgis-providers > .engine/apt.log 2>&1 ||
        fail "apt-get could not install QGIS; .engine/apt.log says why."
}

install_debian() {
    [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || fail "missing: $*; install it with your system's packages and run again."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >> .engine/apt.log 2>&1 ||
        fail "apt-get could not install $*; .engine/apt.log says why."
}

mkdir -p .engine
command -v qgis_process > /dev/null || install_qgis
missing=""
/usr/bin/python3 -c 'import pytest' 2> /dev/null || missing="$missing python3-pytest"
/usr/bin/python3 -c 'import yaml' 2> /dev/null || missing="$missing python3-yaml"
/usr/bin/python3 -c 'import pip' 2> /dev/null || missing="$missing python3-pip"
command -v xvfb-run > /dev/null || missing="$missing xvfb xauth"
[ -z "$missing" ] || install_debian $missing
/usr/bin/python3 .ci/engine.py
