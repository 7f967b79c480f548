#!/usr/bin/env bash
# Makes .venv with everything the locks name, and Tollhouse itself. Run again it changes nothing and is quick.
#   tools/setup.sh            the Python side
#   tools/setup.sh browser    and a Chromium for the browser tests
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
is_root_on_debian() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
install_debian() { apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    say "Tollhouse needs Python 3.11 or newer and finds none on PATH. Install it, or run: make setup PYTHON=/path/to/python3"
    return 1
}

# Debian splits venv off Python: then ask apt where that is ours to do, else let the system's pip reach into the folder.
make_venv() {
    local python=$1 version
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    rm -rf .venv
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv .venv
    elif "$python" -m pip --version >/dev/null 2>&1 && "$python" -c 'import venv' 2>/dev/null; then
        "$python" -m venv --without-pip .venv
    elif is_root_on_debian && { install_debian "python$version-venv" || install_debian python3-venv; }; then
        "$python" -m venv .venv
    else
        say "Python $version here has no venv module. On Debian: apt-get install python$version-venv"
        return 1
    fi
}

# The very release that the lock names, by hash, through whichever pip there is.
install_uv() {
    local python=$1 pin
    pin=$(mktemp)
    awk '/^[^ ]/ {on = /^uv==/} on' requirements/dev.txt >"$pin"
    local pip=(.venv/bin/python -m pip)
    "${pip[@]}" --version >/dev/null 2>&1 || pip=("$python" -m pip --python .venv/bin/python)
    "${pip[@]}" install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$pin" || {
        say "uv could not be installed: see pip's message above (is the package registry reachable?)"
        rm -f "$pin"
        return 1
    }
    rm -f "$pin"
}

install_packages() {
    local uv=(.venv/bin/uv pip install --python .venv/bin/python --compile-bytecode)
    # Certificates come from the system, as pip's do: a company's own registry is signed by its own authority.
    export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-1}
    "${uv[@]}" --require-hashes -r requirements/dev.txt
    "${uv[@]}" --no-deps --no-build-isolation -e .
}

fingerprint() {
    { pwd; cat requirements/dev.txt pyproject.toml tools/setup.sh; } | { sha256sum 2>/dev/null || shasum -a 256; } | cut -d' ' -f1
}

setup_python() {
    local python wanted
    wanted=$(fingerprint)
    if [ -x .venv/bin/tollhouse ] && [ "$(cat .venv/.ready 2>/dev/null)" = "$wanted" ] && .venv/bin/python -V >/dev/null 2>&1; then
        return
    fi
    python=$(find_python)
    rm -f .venv/.ready
    # A venv that was moved, or whose Python is gone, is made anew: the scripts in it name the old place.
    { .venv/bin/python -V && grep -qF "$PWD/.venv" .venv/bin/activate; } >/dev/null 2>&1 || make_venv "$python"
    [ -x .venv/bin/uv ] || install_uv "$python"
    install_packages
    printf '%s\n' "$wanted" >.venv/.ready
}

setup_browser() {
    local tried=.venv/.browser-tried
    if .venv/bin/python tools/find_chromium.py >/dev/null; then return; fi
    if [ "$tried" -nt .venv/.ready ]; then return; fi # it was said once; said again after the next real setup
    say "No Chromium here: installing one for the browser tests."
    if [ "$(id -u)" = 0 ] && timeout 600 .venv/bin/playwright install --with-deps chromium >&2; then return; fi
    if [ "$(id -u)" != 0 ] && timeout 600 .venv/bin/playwright install chromium >&2; then return; fi
    if is_root_on_debian && install_debian chromium; then return; fi
    touch "$tried"
    say "No Chromium could be installed, so the browser tests are skipped. Install one and run make setup again,"
    say "on Debian: apt-get install chromium; or name yours: export TOLLHOUSE_CHROMIUM=/path/to/chromium"
}

setup_python
[ "${1:-}" != browser ] || setup_browser
