#!/bin/sh
# Tries this commit on other releases of Debian, each in a folder of its own made by debootstrap; ends with a table of versions and results.
#   sh .ci/matrix.sh [SUITE ...]     trixie and sid unless named; as root, with debootstrap installed
# The folders stay in MATRIX (/var/tmp/eo-pretrain-matrix unless set), so that a second run is quick, and nothing outside them is changed.
set -eu
cd "$(dirname "$0")/.."
: "${MATRIX:=/var/tmp/eo-pretrain-matrix}"
CERTIFICATES=/etc/ssl/certs/ca-certificates.crt
base=""

fail() { echo "matrix: $1" >&2; exit 1; }

detach() {  # what is mounted must go before anybody removes the folder; nothing of this machine but /proc is seen in it
    for place in dev/shm proc; do
        [ -z "$base" ] || ! mountpoint -q "$base/$place" || umount "$base/$place"
    done
}

make_base() {
    if [ ! -e "$base/matrix-made" ]; then
        [ ! -e "$base" ] || fail "$base is there, but was not finished. See that nothing is mounted in it (findmnt -R $base), remove it and run again."
        mkdir -p "$base"
        debootstrap --variant=minbase --include=ca-certificates,git,make "$1" "$base" "$MIRROR" > "$MATRIX/$1-debootstrap.log" 2>&1 || {
            detach
            fail "debootstrap could not make Debian $1 from $MIRROR; $MATRIX/$1-debootstrap.log says why."
        }
        touch "$base/matrix-made"
    fi
    mkdir -p "$base/usr/local/share/ca-certificates"
    cp /usr/local/share/ca-certificates/*.crt "$base/usr/local/share/ca-certificates/" 2> /dev/null || true
    cp /etc/resolv.conf "$base/etc/resolv.conf"
    # A mirror of this machine's may be a day's copy, whose lists are past their date: what apt says of that here counts there, too.
    apt-config dump 2> /dev/null | grep -E '^Acquire::Check-(Valid-Until|Date) ' > "$base/etc/apt/apt.conf.d/90matrix" || true
    mountpoint -q "$base/proc" || mount -t proc proc "$base/proc"
    mountpoint -q "$base/dev/shm" || mount -t tmpfs tmpfs "$base/dev/shm"
}

inside() {
    chroot "$base" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 SSL_CERT_FILE=$CERTIFICATES PIP_CERT=$CERTIFICATES \
        http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" no_proxy="${no_proxy:-}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-}" "$@"
}

try_release() {
    make_base "$1"
    inside update-ca-certificates > /dev/null 2>&1
    rm -rf "$base/checkout.new"
    git clone -q . "$base/checkout.new" || fail "git could not clone this checkout into $base."
    [ ! -d "$base/checkout/.engine" ] || mv "$base/checkout/.engine" "$base/checkout.new/.engine"
    rm -rf "$base/checkout"
    mv "$base/checkout.new" "$base/checkout"
    inside sh /checkout/.ci/matrix_row.sh "$1" > "$MATRIX/$1.log" 2>&1 || true
    cat "$base/checkout/matrix-row" >> "$MATRIX/table" 2> /dev/null || echo "| $1 | nothing was tried; see $MATRIX/$1.log |" >> "$MATRIX/table"
    detach
}

main() {
    [ "$(id -u)" = 0 ] || fail "debootstrap and chroot need root; run it as root, or in a container."
    command -v debootstrap > /dev/null || fail "debootstrap is not installed; install it with your system's packages and run again."
    # The mirror that this machine itself uses, and not that of its security updates.
    : "${MIRROR:=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2> /dev/null | grep '/debian/\?$' | head -n 1)}"
    [ -n "$MIRROR" ] || fail "no mirror of Debian is among this machine's package sources; name one in MIRROR and run again."
    mkdir -p "$MATRIX"
    trap detach EXIT
    trap 'exit 1' INT TERM
    {
        echo "| Debian | QGIS | Qt | Python of QGIS | GDAL of QGIS | make setup | toolbox tests | chain by qgis_process |"
        echo "| --- | --- | --- | --- | --- | --- | --- | --- |"
    } > "$MATRIX/table"
    [ $# -gt 0 ] || set -- trixie sid
    for suite in "$@"; do
        base="$MATRIX/$suite"
        echo "matrix: trying Debian $suite; $MATRIX/$suite.log tells how it goes ..."
        (try_release "$suite") || echo "| $suite | not to be had here |" >> "$MATRIX/table"
        detach
    done
    cat "$MATRIX/table"
    ! grep -qE 'failed|nothing was tried' "$MATRIX/table"
}

main "$@"; exit  # on one line: a shell reads on in a script that is changed meanwhile
