"""Where ``templates/`` and ``firmware_stub/`` are: in a wheel inside the package, in a checkout beside it.

This is the only module that knows; everything else asks here.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from birdnet_deploy.errors import InternalError


def _resource(name: str) -> Path:
    package = Path(str(files("birdnet_deploy")))
    for candidate in (package / "_resources" / name, package.with_name(name)):
        if candidate.is_dir():
            return candidate
    raise InternalError(f"the installed package has no {name}/", where=package, fix="reinstall birdnet-deploy")


def templates_dir() -> Path:
    """Gives the folder of the Jinja templates.

    Raises: InternalError where the installation is damaged.
    """
    return _resource("templates")


def firmware_dir() -> Path:
    """Gives the folder of the C sources that every project shares.

    Raises: InternalError where the installation is damaged.
    """
    return _resource("firmware_stub")
