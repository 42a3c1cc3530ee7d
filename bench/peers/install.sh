#!/bin/sh
# Install the other providers that the bench measures, each in an environment of its own in var/bench/.
set -eu
cd "$(dirname "$0")/../.."

sh scripts/install.sh bench/peers/requirements.txt var/bench/toolkit
cp bench/peers/toolkit.py var/bench/toolkit

node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)'
into=var/bench/node
mkdir -p "$into"
cp bench/peers/package.json bench/peers/package-lock.json bench/peers/.npmrc bench/peers/provider.mjs "$into"
npm ci --prefix "$into" --silent --no-progress >&2
