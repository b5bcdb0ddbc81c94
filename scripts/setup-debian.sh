#!/usr/bin/env bash
# Makes sure that the tools from Debian are here: cross compiler, C library for it, emulator, cc, make, python.
# Arguments are further packages whose program has the same name (make test: chromium).
# Does nothing where they are; installs them as root or by sudo without a password; else says what to type (exit 6).
set -euo pipefail

has() { command -v "$1" >/dev/null 2>&1; }

has_newlib() {
    has arm-none-eabi-gcc &&
        printf '#include <string.h>\n#include <math.h>\n' |
        arm-none-eabi-gcc -mcpu=cortex-m55 -mthumb -x c -fsyntax-only - 2>/dev/null
}

has_venv() {
    local python
    python=$("$(dirname "$0")/find-python.sh" 2>/dev/null) && "$python" -c 'import venv, ensurepip' 2>/dev/null
}

missing=()
has arm-none-eabi-gcc || missing+=(gcc-arm-none-eabi)
has_newlib || missing+=(libnewlib-arm-none-eabi)
has qemu-system-arm || missing+=(qemu-system-arm)
{ has cc || has gcc; } || missing+=(gcc libc6-dev)
has make || missing+=(make)
has_venv || missing+=(python3 python3-venv)
for program in "$@"; do
    has "$program" || missing+=("$program")
done
[ ${#missing[@]} -eq 0 ] && exit 0

install="apt-get install -y --no-install-recommends ${missing[*]}"
if ! has apt-get; then
    echo "error: missing: ${missing[*]} (Debian's names) -> install them with this system's package manager" >&2
    exit 6
elif [ "$(id -u)" -eq 0 ]; then
    root=()
elif has sudo && sudo -n true 2>/dev/null; then
    root=(sudo -n)
else
    echo "error: missing: ${missing[*]} -> sudo apt-get update && sudo $install" >&2
    exit 6
fi

echo "installing from Debian: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# env: sudo drops the variable above
if ! { "${root[@]}" apt-get update && "${root[@]}" env DEBIAN_FRONTEND=noninteractive $install; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "error: apt-get failed -> mend the cause above, or: sudo $install" >&2
    exit 6
fi
more=yes
for program in "$@"; do
    has "$program" || more=
done
[ "$more" ] && has_newlib && has qemu-system-arm && has_venv && exit 0
if ! has_venv; then
    echo "error: no python 3.11 to 3.13 with venv -> install one, or: make PYTHON=/path/to/python ..." >&2
else
    echo "error: tools are still missing after apt-get install ${missing[*]} -> look at PATH" >&2
fi
exit 6
