#!/bin/sh
# Unpacks the packaged zip into dist/release, as a repository of its own: qgis-plugin-ci wants metadata.txt, the code and the models in one folder.
set -eu
cd "$(dirname "$0")/.."
tree=dist/release
rm -rf "$tree"
mkdir -p "$tree"
/usr/bin/python3 -m zipfile -e "$1" "$tree"
cp .qgis-plugin-ci CHANGELOG.md "$tree"
cd "$tree"
git init -q
git add -A -f
git -c user.name=release -c user.email=release@localhost commit -q -m "Release $2"
echo "release: $tree is ready. To look: qgis-plugin-ci package $2. To upload: qgis-plugin-ci release $2 --qgis-token TOKEN."
