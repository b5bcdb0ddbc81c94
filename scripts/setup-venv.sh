#!/usr/bin/env bash
# Makes the virtual environment DIR with this project and its EXTRAS (such as "test,lint"; may be empty), from PyPI.
#     scripts/setup-venv.sh DIR [EXTRAS]
set -euo pipefail

venv=$1
extras=${2:+[$2]}
here=$(cd "$(dirname "$0")" && pwd)

if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    python=$("$here/find-python.sh")
    echo "making $venv with $python"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
echo "installing Python packages into $venv (the first time this downloads TensorFlow, about 600 MB)"
cd "$here/.."
if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e ".$extras"; then
    echo "error: pip failed -> mend the cause above and run make again" >&2
    exit 6
fi
