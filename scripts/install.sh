#!/bin/sh
# Usage: install.sh <locked requirements file> [<environment>]
# Make the environment (.venv) where there is none and install the file into it: with uv when it is there, else with pip.
set -eu
requirements=$1
environment=${2:-.venv}

if command -v uv >/dev/null 2>&1; then
    uv=uv
elif [ -x .venv/bin/uv ] && .venv/bin/uv --version >/dev/null 2>&1; then
    uv=.venv/bin/uv
else
    uv=
fi

# The newest of these that is Python 3.11 or later and, without uv, can make an environment with pip in it.
find_python() {
    bare=
    for candidate in ${PYTHON3:-python3.13 python3.12 python3.11 python3}; do
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        if [ -n "$uv" ] || "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$candidate"
            return
        fi
        bare=$candidate
    done
    if [ -n "$bare" ]; then
        echo "$bare cannot make a virtual environment; on Debian or Ubuntu run: apt-get install python3-venv" >&2
    else
        echo "The portal needs Python 3.11 or newer, and none is on PATH as python3." >&2
    fi
    return 1
}

if ! "$environment/bin/python" -c '' 2>/dev/null; then
    python=$(find_python)
    rm -rf "$environment"
    if [ -n "$uv" ]; then
        "$uv" venv --quiet --python "$python" "$environment"
    else
        "$python" -m venv --without-pip "$environment"
    fi
fi

# Nothing is byte-compiled ahead: Python does that for the few modules that are really imported.
echo "Installing $requirements into $environment"
if [ -n "$uv" ]; then
    "$uv" pip install --quiet --python "$environment/bin/python" --require-hashes -r "$requirements"
else
    # The pip of the Python that made the environment can fill it. The environment gets one of its own only where that
    # is missing or older than 22.3: it takes half as long as all that is to be installed.
    base=$("$environment/bin/python" -c 'import sys; print(sys._base_executable)')
    if "$base" -m pip --python "$environment/bin/python" --version >/dev/null 2>&1; then
        set -- "$base" -m pip --python "$environment/bin/python"
    else
        "$environment/bin/python" -m pip --version >/dev/null 2>&1 || "$environment/bin/python" -m ensurepip >/dev/null
        set -- "$environment/bin/python" -m pip
    fi
    "$@" install --quiet --disable-pip-version-check --no-input --no-compile --require-hashes -r "$requirements"
fi
