#!/bin/sh
# Install the portal's clients in JavaScript into var/clients/node; where Node is missing, say what is left out.
# (The tests leave themselves out by the same question: tests/clients/conftest.py.)
set -eu
into=var/clients/node

# The oldest Node that all of them run on.
if ! node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)' 2>/dev/null || ! npm --version >/dev/null 2>&1; then
    echo "Left out: the tests of clients in JavaScript. They need Node 20 or newer, with npm, on PATH." >&2
    exit 0
fi

if cmp -s tests/clients/package-lock.json "$into/installed.json"; then exit 0; fi

echo "Installing tests/clients/package-lock.json into $into"
mkdir -p "$into"
cp tests/clients/package.json tests/clients/package-lock.json tests/clients/.npmrc "$into"
npm ci --prefix "$into" --silent --no-progress >&2
cp tests/clients/package-lock.json "$into/installed.json"
