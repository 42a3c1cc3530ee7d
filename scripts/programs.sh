#!/bin/sh
# Usage: programs.sh <program>=<Debian package> …
# Make sure that these programs are there (<one>,<another>=… where either will do); on Debian root gets them installed.
set -eu
PATH="$PATH:/usr/sbin:/usr/local/sbin"

missing() {
    for wanted in "$@"; do
        found=
        for program in $(echo "${wanted%=*}" | tr , ' '); do
            if command -v "$program" >/dev/null 2>&1; then found=yes; fi
        done
        if [ -z "$found" ]; then echo "${wanted#*=}"; fi
    done
}

if [ -z "$(missing "$@")" ]; then exit 0; fi

if [ "$(id -u)" = 0 ] && grep -q '^ID=debian$' /etc/os-release 2>/dev/null; then
    echo "Installing:" $(missing "$@")
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2046  # one package a word
    apt-get install -y -qq --no-install-recommends $(missing "$@") >/dev/null
    if [ -z "$(missing "$@")" ]; then exit 0; fi
fi

echo "Install these Debian packages, or their like:" $(missing "$@") >&2
exit 1
