#!/bin/sh
# What a GPU gives: ten minutes at most, results in the folder $OUT, else gpu-results. See benchmarks/gpu.py and docs/scale.md.
#   sh benchmarks/gpu.sh                       on a machine with a GPU
#   sh benchmarks/gpu.sh --tiny --device cpu   the same steps on a processor, in a minute
# The Python is that of the engine in this checkout, or of the environment that EOPRETRAIN_ENGINE names.
set -eu
cd "$(dirname "$0")/.."
python="${EOPRETRAIN_ENGINE:-.engine/train}"
[ -d "$python" ] && python="$python/bin/python"
exec "$python" -u -m benchmarks.gpu "$@"
