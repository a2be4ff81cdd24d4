#!/bin/sh
# Two Pythons, one verdict: the engine's runs the engine, the worker and the jobs; QGIS's runs the toolbox.
set -u
cd "$(dirname "$0")/.."
start=$(date +%s)
# What a test that passed left behind is deleted at once: all together would need some 10 GB, and a nearly full disk fails tests without a reason of theirs.
NEEDED_GB=4
free=$(df -Pk "${TMPDIR:-/tmp}" | awk 'NR == 2 { print int($4 / 1000000) }')
if [ "$free" -lt $NEEDED_GB ]; then
    echo "test: ${TMPDIR:-/tmp} has $free GB free, and the tests need $NEEDED_GB GB. Free some space, or name another folder in the variable TMPDIR." >&2
    exit 1
fi
export EOPRETRAIN_ENGINE="$PWD/.engine/train"
.engine/dev/bin/python -m pytest tests -q --ignore tests/toolbox -n auto --dist worksteal -o tmp_path_retention_policy=failed "$@"
engine=$?
/usr/bin/python3 -m pytest tests/toolbox -q -p no:cacheprovider "$@"
toolbox=$?
minutes=$(( ($(date +%s) - start + 30) / 60 ))
if [ $engine -ne 0 ] || [ $toolbox -ne 0 ]; then
    echo "test: failed; the lines above that begin with FAILED or ERROR name the tests." >&2
    exit 1
fi
echo "test: all tests of the engine, the worker, the jobs and the toolbox passed in about $minutes min."
