#!/bin/sh
# One row of .ci/matrix.sh, run inside that release of Debian: versions, set-up, toolbox tests, one whole chain; the row lands in matrix-row.
set -u
cd "$(dirname "$0")/.."
export QT_QPA_PLATFORM=offscreen EOPRETRAIN_ENGINE="$PWD/.engine/train"

try() {  # prints "passed, N s" or "failed, N s"; what the command says goes to the log
    start=$(date +%s)
    if "$@" >&2; then word=passed; else word=failed; fi
    echo "$word, $(( $(date +%s) - start )) s"
}

setup=$(try make setup)
versions=$(/usr/bin/python3 - << 'END'
import sys
from osgeo import gdal
from qgis.core import Qgis
from qgis.PyQt.QtCore import QT_VERSION_STR
print(Qgis.version().split("-")[0], QT_VERSION_STR, ".".join(map(str, sys.version_info[:3])), gdal.__version__, sep=" | ")
END
)
toolbox=$(try /usr/bin/python3 -m pytest tests/toolbox -q -p no:cacheprovider)
chain=$(try /usr/bin/python3 .ci/chain.py demo/chain)
echo "| $1 | ${versions:-not installed |  |  | } | $setup | $toolbox | $chain |" > matrix-row
