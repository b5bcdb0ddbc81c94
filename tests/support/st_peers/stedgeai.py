"""A scripted peer of stedgeai: the options of its command line, and the files that it leaves behind."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from tests.support.st_peers.peer import Unknown, fault, noted, parsed, state
from tests.support.stedgeai_files import c_info, report

NAME = "stedgeai"
OPTIONS = {
    "--version": 0, "-m": 1, "--model": 1, "--target": 1, "--st-neural-art": 1, "--input-data-type": 1,
    "--output-data-type": 1, "--output": 1, "-o": 1, "--workspace": 1, "-w": 1, "--name": 1, "-n": 1, "--c-api": 1,
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Plays one call."""
    version = os.environ.get("ST_PEER_CORE", "2.2.0-20266")
    noted(NAME, arguments)
    if list(arguments) == ["--version"]:
        print(f"ST Edge AI Core v{version} 2adc00962")
        return 0
    if not arguments or arguments[0] not in ("generate", "analyze"):
        print(f"E010(InvalidCommand): {' '.join(arguments)}")
        return 2
    try:
        options = parsed(arguments[1:], OPTIONS)
    except Unknown as error:
        print(f"stedgeai: error: unrecognized arguments: {error}")
        return 2
    return _generate(options, version)


def _generate(options: dict[str, list[str]], version: str) -> int:
    profile, _, file = options["--st-neural-art"][0].partition("@")
    profiles = json.loads(Path(file).read_text())["Profiles"]
    pool = Path(file).parent / profiles[profile]["memory_pool"]
    if (
        not Path(options["-m"][0]).is_file()
        or not pool.is_file()
        or not pool.samefile(profiles[profile]["memory_pool"])
    ):
        print("E103(CliRuntimeError): file not found")  # a relative pool counts from where the tool runs
        return 1
    if (wrong := fault("generate")) == "exit":
        print("E200(ValidationError): the model does not fit")
        return 1
    (state() / "generated").touch()
    if wrong == "no-file":
        return 0
    output = Path(options["--output"][0])
    output.mkdir(parents=True, exist_ok=True)
    dev = os.environ.get("ST_PEER_LL_ATON", "1.1.1-14").replace("-", ".").split(".")
    names = ("MAJOR", "MINOR", "MICRO", "DEV")
    test = " || ".join(f"LL_ATON_VERSION_{name} != {number}" for name, number in zip(names, dev, strict=True))
    (output / "network.c").write_text(f"#if {test}\n#endif\n/* 0x70180000UL */\n")
    if wrong == "partial":
        return 0
    (output / "network_atonbuf.xSPI2.raw").write_bytes(bytes(range(200)) * 10)
    info = c_info()
    info["memory_pools"][1]["address"] = 0x70180000
    (output / "network_c_info.json").write_text(json.dumps(info))
    (output / "network_generate_report.txt").write_text(report(version))
    print("Generated files (4)")
    return 0
