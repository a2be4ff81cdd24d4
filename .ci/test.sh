#!/bin/sh
# Two Pythons, one verdict: the engine's runs the engine, the worker and the jobs; QGIS's runs the toolbox.
set -u
cd "$(dirname "$0")/.."
start=$(date +%s)
export EOPRETRAIN_ENGINE="$PWD/.engine/train"
.engine/dev/bin/python -m pytest tests -q --ignore tests/toolbox -n auto --dist worksteal "$@"
engine=$?
/usr/bin/python3 -m pytest tests/toolbox -q -p no:cacheprovider "$@"
toolbox=$?
minutes=$(( ($(date +%s) - start + 30) / 60 ))
if [ $engine -ne 0 ] || [ $toolbox -ne 0 ]; then
    echo "test: failed; the lines above that begin with FAILED or ERROR name the tests." >&2
    exit 1
fi
echo "test: all tests of the engine, the worker, the jobs and the toolbox passed in about $minutes min."
