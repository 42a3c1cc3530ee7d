#!/bin/sh
# Check what deploy/ holds, by what a machine without containers can: in the environment of deploy/requirements-check.txt.
set -eu
programs=var/deploy-check/bin

"$programs/hadolint" deploy/*Containerfile
"$programs/check-jsonschema" --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml
"$programs/check-jsonschema" --quiet --check-metaschema deploy/chart/values.schema.json
"$programs/python" scripts/check_chart.py
PORTAL_HOSTS=https://portal.example.com NODES=127.0.0.1:8000 CERTIFICATE=certificate.pem KEY=key.pem \
    "$programs/caddy" adapt --config deploy/Caddyfile --adapter caddyfile >/dev/null

# Where systemd is. It only warns of a key that it does not know, and wants the programs to be there.
if command -v systemd-analyze >/dev/null 2>&1; then
    units=var/deploy-check/units
    rm -rf "$units"
    cp -R deploy/systemd "$units"
    sed -i "s|/srv/agent-portal|$PWD|" "$units"/*.service
    cd "$units"
    said=$(SYSTEMD_UNIT_PATH="$PWD:" systemd-analyze verify --man=no \
        agent-portal-node@8000.service agent-portal-worker.service agent-portal-migrate.service 2>&1) && [ -z "$said" ] || {
        echo "$said" >&2
        exit 1
    }
fi
