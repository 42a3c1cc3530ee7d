#!/bin/sh
# Make sure that the browser tests find a Chromium: $CHROMIUM, or one of the usual names on PATH.
set -eu

is_there() {
    if [ -n "${CHROMIUM:-}" ]; then
        command -v "$CHROMIUM" >/dev/null 2>&1
        return
    fi
    for name in chromium chromium-browser google-chrome; do
        if command -v "$name" >/dev/null 2>&1; then return 0; fi
    done
    return 1
}

if is_there; then exit 0; fi

if [ -n "${CHROMIUM:-}" ]; then
    echo "CHROMIUM is set to $CHROMIUM, but no such program can be run." >&2
    exit 1
fi

if [ "$(id -u)" = 0 ] && grep -q '^ID=debian$' /etc/os-release 2>/dev/null; then
    echo "Installing Chromium for the browser tests"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends chromium >/dev/null
    is_there && exit 0
fi

echo "The browser tests need Chromium: install it (Debian: apt-get install chromium) or set CHROMIUM to its path;" \
    "make test-sqlite and make test-postgresql run without it." >&2
exit 1
