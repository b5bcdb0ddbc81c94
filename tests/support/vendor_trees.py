"""Trees that lie as ST's do, with names and version macros: no line of them comes from a file of ST's."""

from __future__ import annotations

from pathlib import Path

from birdnet_deploy.npu.vendor_layouts import layouts


def tree(root: Path, name: str) -> Path:
    """Gives a tree with the files that its parts are known by, empty."""
    for layout in layouts():
        if layout.root == name:
            folder = root / layout.folders[0]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / layout.file.replace("*", "1020")).parent.mkdir(parents=True, exist_ok=True)
            (folder / layout.file.replace("*", "1020")).write_text("")
    return root


def core(root: Path, dev: int = 14) -> Path:
    """Gives a tree that lies as ST Edge AI Core's does, with version macros."""
    tree(root, "STEDGEAI_CORE_DIR")
    macros = {"MAJOR": 1, "MINOR": 1, "MICRO": 1, "DEV": dev}
    text = "".join(f"#define LL_ATON_VERSION_{part} ({number})\n" for part, number in macros.items())
    (root / "Middlewares/ST/AI/Npu/ll_aton/ll_aton_version.h").write_text(text)
    return root


def network_c(path: Path, dev: int = 14) -> Path:
    """Gives a ``network.c`` that asks for a version of LL_ATON and does nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "#if LL_ATON_VERSION_MAJOR != 1 || LL_ATON_VERSION_MINOR != 1 || LL_ATON_VERSION_MICRO != 1 "
        f"|| LL_ATON_VERSION_DEV != {dev}\n#warning other\n#endif\n"
    )
    return path
