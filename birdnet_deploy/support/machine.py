"""What this machine has for work that fills it."""

from __future__ import annotations

import os
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")


def physical_cores() -> int:
    """Gives the physical cores that this process may use; logical ones where the system does not tell."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    try:
        cores = {_core(number) for number in allowed}
    except (OSError, ValueError):
        return max(1, len(allowed))
    return max(1, len(cores))


def _core(number: int) -> tuple[int, int]:
    topology = _CPUS / f"cpu{number}" / "topology"
    package, core = (int((topology / name).read_text()) for name in ("physical_package_id", "core_id"))
    return package, core
