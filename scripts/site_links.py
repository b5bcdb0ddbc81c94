"""A hook of mkdocs: links that leave docs/ lead to the repository, whose address pyproject.toml has."""

from __future__ import annotations

import posixpath
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"\]\(((?:\.\./)+[^)#\s]+)(#[^)\s]*)?\)")


def _repository() -> str:
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    return str(urls["Changelog"]).removesuffix("/CHANGELOG.md")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Gives a page whose links to files outside docs/ are addresses of the repository."""
    folder = posixpath.dirname(page.file.src_uri)

    def lead(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", folder, match[1]))
        return match[0] if path.startswith("docs/") else f"]({_repository()}/{path}{match[2] or ''})"

    return _LINK.sub(lead, markdown)
