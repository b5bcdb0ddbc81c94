"""The host's watchdog: an application that stands still ends with its own status, one that moves does not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from birdnet_deploy.support.resources import firmware_dir

WATCHDOG_STATUS = 71  # PORT_EXIT_WATCHDOG of port.h
APPLICATION = """
#include "port.h"
int main(void)
{
    port_init();
    port_alive();
    while (port_uptime_ms() < 1500) {
        MOVES;
    }
    port_exit(PORT_EXIT_DONE);
}
"""


@pytest.mark.parametrize(("moves", "status"), [("port_alive()", 0), ("(void)0", WATCHDOG_STATUS)])
def test_only_who_stands_still_is_ended(tmp_path: Path, moves: str, status: int) -> None:
    stub = firmware_dir()
    (tmp_path / "main.c").write_text(APPLICATION.replace("MOVES", moves), encoding="utf-8")
    sources = [tmp_path / "main.c", stub / "port/host/port_host.c", stub / "core/wav.c", stub / "core/crc32.c"]
    command = ["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{stub / 'port'}", f"-I{stub / 'core'}"]
    subprocess.run([*command, *map(str, sources), "-o", str(tmp_path / "app")], check=True, timeout=60)
    done = subprocess.run([tmp_path / "app"], env={**os.environ, "BN_WATCHDOG": "1"}, check=False, timeout=30)
    assert done.returncode == status
