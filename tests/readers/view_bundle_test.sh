#!/usr/bin/env bash
# The viewer's page in the tree is what its sources build to. Needs node and the packages that
# `npm ci` installs in viz/; exit code 77 without them. view_bundle_test.sh FAULTLINE TOP
set -u
if ! command -v node >/dev/null; then
  echo "skipped: no node here"
  exit 77
fi
if [[ ! -d $2/viz/node_modules/esbuild ]]; then
  echo "skipped: run npm ci in viz/ first"
  exit 77
fi
cd "$2/viz" && node build.mjs --check
