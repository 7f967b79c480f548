#!/usr/bin/env bash
# Writes the locks anew. With UPGRADE=1 every pin goes to the newest release its range allows.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
upgrade=()
[ -z "${UPGRADE:-}" ] || upgrade=(--upgrade)

compile() { # from an empty environment file: where the packages come from is this machine's business, not the lock's
    "$uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url "$@"
}

compile --all-extras --group dev "${upgrade[@]}" --output-file requirements/dev.txt
# The server runs on exactly what was tested: the second lock takes its versions from the first.
compile --constraint requirements/dev.txt --upgrade --output-file requirements/runtime.txt
"${PYTHON:-.venv/bin/python}" tools/check_locks.py
