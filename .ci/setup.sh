#!/bin/sh
# Installs what is missing: QGIS (on Debian 12 and newer, as root), the engine in .engine/, and the development tools beside it.
# A second run finds everything and ends at once. Any other system gets one sentence that says what to install.
set -eu
cd "$(dirname "$0")/.."
PATH=/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin
export PATH

fail() { echo "setup: $1" >&2; exit 1; }

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >> .engine/apt.log 2>&1 ||
        fail "apt-get could not install $*; .engine/apt.log says why."
}

# Debian's own releases stay with the QGIS they were released with; their backports have the newest long-term release.
add_backports() {
    ! apt-cache policy 2>/dev/null | grep -q "$1-backports" || return 0
    mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $1" "Created-By: Packages" | head -n 1)
    [ -n "$mirror" ] || fail "no Debian mirror of $1 was found among apt's sources to take $1-backports from; add that suite by hand and run again."
    printf 'Types: deb\nURIs: %s\nSuites: %s-backports\nComponents: main\nSigned-By: %s\n' "$mirror" "$1" \
        /usr/share/keyrings/debian-archive-keyring.gpg > /etc/apt/sources.list.d/eo-pretrain-backports.sources
    apt-get update -qq
}

install_qgis() {
    . /etc/os-release 2>/dev/null || true
    [ "${ID:-}" = debian ] && [ "$(id -u)" = 0 ] ||
        fail "QGIS 3.40 or newer with its Python (qgis_process, python3-qgis) is not installed; install it with your system's packages and run again."
    echo "setup: installing QGIS (some minutes) ..."
    apt-get update -qq
    case "${VERSION_CODENAME:-}" in
        bookworm | trixie)
            add_backports "$VERSION_CODENAME"
            apt_install -t "$VERSION_CODENAME-backports" qgis python3-qgis qgis-providers ;;
        *) apt_install qgis python3-qgis qgis-providers ;;
    esac
}

install_debian() {
    [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || fail "missing: $*; install it with your system's packages and run again."
    apt-get update -qq
    apt_install "$@"
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
