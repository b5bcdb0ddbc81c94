"""How pictures look: SVG without time or random ids, whose text is text and whose colours are variables of the page.

Each figure is drawn with placeholder colours that the SVG then names as CSS variables, so that one picture serves
light, dark and print. Series differ by colour (Okabe and Ito's, safe for the colour-blind) and by marker or dash.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

INK, SOFT, GRID, PAPER = "#010203", "#010204", "#010205", "#010206"
SERIES = ("#010211", "#010212", "#010213", "#010214", "#010215", "#010216")
BAD, GOOD = SERIES[1], SERIES[2]
_VARIABLES = {
    INK: "--ink", SOFT: "--soft", GRID: "--grid", PAPER: "--paper",
    **{colour: f"--series-{number}" for number, colour in enumerate(SERIES, 1)},
}  # fmt: skip
_SALT = "birdnet-deploy"
_FONT = ["DejaVu Sans", "sans-serif"]
_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": _SALT, "font.family": _FONT, "font.size": 11, "text.parse_math": False,
    "axes.edgecolor": SOFT, "axes.labelcolor": INK, "axes.titlecolor": INK, "axes.titlesize": 12,
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "axes.axisbelow": True, "grid.color": GRID, "grid.linewidth": 0.7, "xtick.color": INK, "ytick.color": INK,
    "text.color": INK, "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "legend.frameon": False, "axes.prop_cycle": "", "path.simplify": False,
}  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """One picture: a title, its facts in words for who does not see it, and its content.

    ``content`` is SVG, or PNG of the light and of the dark page.
    """

    name: str
    title: str
    alt: str
    svg: str = ""
    png: tuple[bytes, bytes] = (b"", b"")


@contextmanager
def settings(**changes: Any) -> Iterator[Any]:
    """Gives ``matplotlib.figure.Figure`` under the report's settings; no state of pyplot, no display."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    wanted = {key: value for key, value in {**_SETTINGS, **changes}.items() if key != "axes.prop_cycle"}
    with (
        mpl.rc_context({**mpl.rcParamsDefault, "backend": mpl.rcParams["backend"], **wanted}),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # glyphs that a font lacks: the browser has its own fonts
        yield Figure


def draw_svg(name: str, title: str, alt: str, size: tuple[float, float], draw: Callable[[Any], None]) -> Picture:
    """Gives the picture that ``draw`` makes on a figure of ``size`` inches, as SVG for a page."""
    with settings() as figure_class:
        figure = figure_class(figsize=size, layout="constrained")
        draw(figure)
        held = io.StringIO()
        figure.savefig(held, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    return Picture(name, title, alt, svg=_for_page(held.getvalue(), name))


def _for_page(text: str, name: str) -> str:
    """Gives an SVG that can stand in HTML: no prologue, no fixed size, own ids, the page's colours."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = text.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    # text without a fill of its own would be black on a dark page
    text = re.sub(r'<text style="(?![^"]*fill:)', '<text style="fill: var(--ink); ', text)
    return "\n".join(line.rstrip() for line in text.splitlines())
