"""What every refusal at the command line keeps: one line, the exit code, names, the old output, no leftovers."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.support.command import birdnet_deploy


def hashes(folder: Path) -> dict[str, str]:
    """Gives the SHA-256 of every file below a folder, links not followed."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def refused(
    code: int, *arguments: object, scratch: Path, naming: tuple[str, ...], keeping: Path | None = None, **options: str
) -> str:
    """Runs a command that must end with ``code``; gives its line.

    The line names everything of ``naming`` and says what to do behind an arrow; the tree at ``keeping`` has the same
    files and bytes after as before, and nothing stands beside it; the temporary folder, made below ``scratch``, is
    empty at the end.
    """
    temporary = scratch / "tmp"
    temporary.mkdir(exist_ok=True)
    around = keeping.parent if keeping is not None else None
    before = {} if around is None else hashes(around)
    done = birdnet_deploy(*arguments, TMPDIR=str(temporary), cwd=scratch, **options)
    assert done.returncode == code, f"exit {done.returncode}, expected {code}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith(("error:", "internal error:"))]
    assert len(lines) == 1, done.stderr
    assert " -> " in lines[0], f"no remedy: {lines[0]}"
    for name in naming:
        assert name in lines[0], f"{name!r} is not named: {lines[0]}"
    assert list(temporary.iterdir()) == [], "a temporary file is left"
    if around is not None:
        assert hashes(around) == before, "what was there has changed"
    return lines[0]
