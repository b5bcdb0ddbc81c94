#!/usr/bin/env bash
# Prints the first Python from 3.11 to 3.13 (TensorFlow 2.21 has no other wheels); $PYTHON goes first. Exit 6: none.
set -euo pipefail

for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
    path=$(command -v "$candidate" 2>/dev/null) || continue
    if "$path" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
        echo "$path"
        exit 0
    fi
done
echo "error: no Python from 3.11 to 3.13 found -> install one, or: make PYTHON=/path/to/python ..." >&2
exit 6
