#!/bin/sh
# Usage: as_production.sh <command …>
# Run one command under production settings, with throw-away secrets and an empty throw-away database.
# Nothing of the caller's environment but what programs need to run gets in.
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
secrets=$(.venv/bin/python scripts/new_secrets.py)

# $secrets is two words, NAME=value each.
env -i PATH="$PATH" HOME="${HOME:-$scratch}" LANG=C.UTF-8 $secrets \
    DEMO=off ENV_FILE=/dev/null PORTAL_URL=https://portal.example CLIENT_DOMAIN=portal.example \
    DATABASE_URL="sqlite:///$scratch/portal.sqlite3" \
    "$@"
