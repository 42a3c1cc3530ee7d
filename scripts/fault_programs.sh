#!/bin/sh
# Make sure that the fault suite finds what it starts beside the portal: nginx, a Redis or Valkey, libfaketime.
set -eu
PATH="$PATH:/usr/sbin:/usr/local/sbin"

missing() {
    command -v nginx >/dev/null 2>&1 || echo nginx-light
    command -v valkey-server >/dev/null 2>&1 || command -v redis-server >/dev/null 2>&1 || echo redis-server
    ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || echo libfaketime
}

if [ "$(id -u)" != 0 ]; then
    echo "The fault suite needs root, to mount a small disk and let it run full: run it in a container." >&2
    exit 1
fi
if [ -z "$(missing)" ]; then exit 0; fi

if grep -q '^ID=debian$' /etc/os-release 2>/dev/null; then
    echo "Installing for the fault suite:" $(missing)
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2046  # one package a word
    apt-get install -y -qq --no-install-recommends $(missing) >/dev/null
    if [ -z "$(missing)" ]; then exit 0; fi
fi

echo "The fault suite needs these Debian packages, or their like:" $(missing) >&2
exit 1
