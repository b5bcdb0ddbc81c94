"""The Jinja environments: one for C, linker scripts and build files, one for HTML. A template looks like its output."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2

from birdnet_deploy.errors import InternalError
from birdnet_deploy.support import c_literals
from birdnet_deploy.support.resources import templates_dir

_FILTERS = ("c_string", "c_comment", "c_float", "c_int", "c_float_array", "c_real_array", "c_int_array", "c_mask")


def _guard(value: Any) -> Any:
    """Refuses text that was not escaped for C: a quote, backslash, line end or trigraph outside a literal filter."""
    if isinstance(value, _Escaped) or not isinstance(value, str):
        return value
    if any(c in value for c in '"\\\n\r') or "??" in value or "*/" in value or not value.isascii():
        raise InternalError(f"unescaped text {value!r} in a template", fix="use | c_string or | c_comment")
    return value


class _Escaped(str):
    """Text that a literal filter has made."""


def _escaping(name: str) -> Any:
    function = getattr(c_literals, name)
    return lambda value: _Escaped(function(value))


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the output is C, guarded by `finalize`
        finalize=_guard,
    )
    for name in _FILTERS:
        environment.filters[name] = _escaping(name)
    return environment


@cache
def _html_environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=True,
    )


def render_html(template: str, context: Mapping[str, Any]) -> str:
    """Gives a page's text; whatever the context holds is text in it, but for ``markupsafe.Markup``.

    Raises: InternalError (exit 1) naming the template and the variable that is missing.
    """
    return _rendered(_html_environment(), template, context)


def render(template: str, context: Mapping[str, Any]) -> str:
    """Gives a template's text; ``template`` is a path below ``templates/`` with ``/`` between folders.

    Filters: ``c_string``, ``c_comment``, ``c_float``, ``c_int``, ``c_float_array``, ``c_real_array``,
    ``c_int_array``, ``c_mask``. Any other text that is not plain is refused.

    Raises: InternalError (exit 1) naming the template and the variable that is missing or not escaped.
    """
    return _rendered(_environment(), template, context)


def _rendered(environment: jinja2.Environment, template: str, context: Mapping[str, Any]) -> str:
    try:
        return environment.get_template(template).render(context)
    except jinja2.UndefinedError as error:
        raise InternalError(str(error.message), where=f"templates/{template}", fix="report this") from error
    except jinja2.TemplateNotFound as error:
        raise InternalError("no such template", where=f"templates/{error.name}", fix="reinstall") from error
    except InternalError as error:
        raise InternalError(error.what, where=f"templates/{template}", fix=error.fix) from error
