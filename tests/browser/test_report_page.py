"""The page of a report as a reader meets it: in Chromium, light and dark, narrow, by keyboard, on paper, hostile."""

from __future__ import annotations

import copy
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from birdnet_deploy.showing.figures.windows import Heard
from birdnet_deploy.showing.page import SECTIONS, render_page
from tests.support.command import succeed

MOST_BYTES = 5_000_000
# Every text that is seen: its colour against the first background behind it, by WCAG 2.1's contrast ratio.
CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const found = rgba(getComputedStyle(node).backgroundColor);
      if (found[3] === 255) return found;
    }
    return [255, 255, 255, 255];
  };
  const seen = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.closest('script, style, .skip')) continue;
    const style = getComputedStyle(node);
    const ink = light(rgba(node.closest('svg') ? style.fill : style.color)), paper = light(behind(node));
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    seen.push([ratio, walker.currentNode.data.trim().slice(0, 40)]);
  }
  return seen;
}"""


def page_of(reported: Path) -> Path:
    return reported / "report/report.html"


def facts_of(reported: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((reported / "report/report.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", ["report/report.html", "run.html"])
def test_it_opens_in_silence_and_asks_nobody_for_anything(reported: Path, opened: Any, name: str) -> None:
    with opened(reported / name) as watched:
        assert watched.said == []
        assert watched.asked == []
    assert (reported / name).stat().st_size <= MOST_BYTES


def test_every_section_is_there_and_says_something(reported: Path, opened: Any) -> None:
    with opened(page_of(reported)) as watched:
        for name, title in SECTIONS:
            section = watched.page.locator(f"section#{name}")
            assert section.is_visible(), name
            assert len(section.inner_text()) > 60, name
            assert watched.page.locator(f"nav a[href='#{name}']").inner_text() == title
        names = {"scatter", "differences", "layers", "frontier", "regions", "memory-plan", "work", "device", "window-1"}
        shown = set(watched.page.eval_on_selector_all("figure", "all => all.map(one => one.id.slice(7))"))
        assert names <= shown


def test_the_first_screen_answers_the_five_questions(reported: Path, opened: Any) -> None:
    verdict = facts_of(reported)["verdict"]
    with opened(page_of(reported)) as watched:
        top = watched.page.locator("#verdict")
        says = top.locator(".says").inner_text().lower()
        assert verdict["status"] in says
        assert all(reason in top.locator(".verdict").inner_text() for reason in verdict["reasons"])
        assert verdict["nearest_limit"]["name"] in top.locator("#card-limit").inner_text()
        assert verdict["worst_window"]["file"] in top.locator("#card-window").inner_text()
        assert verdict["costliest_layer"]["name"] in top.locator("#card-layer").inner_text()
        lowest = top.locator(".cards").bounding_box()
        assert lowest["y"] + lowest["height"] <= 900  # without scrolling


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_picture_is_decoded_and_told_in_words(reported: Path, opened: Any, scheme: str) -> None:
    with opened(page_of(reported), scheme=scheme) as watched:
        images = watched.page.eval_on_selector_all(
            "img", "all => Promise.all(all.map(i => i.decode().then(() => [i.naturalWidth, i.alt, i.currentSrc])))"
        )
        assert len(images) == len(facts_of(reported)["detail"]["worst_windows"]) > 0
        assert all(width > 400 and len(alt) > 80 for width, alt, _ in images)
        drawn = watched.page.eval_on_selector_all(
            "figure svg",
            "all => all.map(s => [s.getBoundingClientRect().height, s.querySelectorAll('text').length, "
            "s.closest('[role=img]').getAttribute('aria-label')])",
        )
        assert len(drawn) == 8
        assert all(height > 90 and texts >= 3 and len(alt) > 80 for height, texts, alt in drawn)
        other = [source for _, _, source in images]
    with opened(page_of(reported), scheme="dark" if scheme == "light" else "light") as watched:
        again = watched.page.eval_on_selector_all("img", "all => all.map(i => i.currentSrc)")
        assert set(again).isdisjoint(other)  # a picture for each


def test_the_sound_of_the_worst_windows_plays_where_it_was_asked_for(reported: Path, opened: Any) -> None:
    with opened(page_of(reported)) as watched:
        lengths = watched.page.eval_on_selector_all(
            "audio",
            "all => Promise.all(all.map(a => a.readyState ? a.duration : new Promise((good, bad) => "
            "{ a.onloadedmetadata = () => good(a.duration); a.onerror = () => bad(a.error.message); })))",
        )
    seconds = facts_of(reported)["model"]["config"]["chunk_duration"]
    assert lengths == [seconds] * len(facts_of(reported)["detail"]["worst_windows"])
    assert "<audio" not in (reported / "run.html").read_text(encoding="utf-8")


def test_it_can_be_read_by_keyboard_alone(reported: Path, opened: Any) -> None:
    with opened(page_of(reported)) as watched:
        page = watched.page
        focused = "document.activeElement"
        page.keyboard.press("Tab")
        assert page.evaluate(f"{focused}.className") == "skip"
        assert page.locator(".skip").bounding_box()["x"] >= 0  # seen as long as it has the focus
        for name, _ in SECTIONS:
            page.keyboard.press("Tab")
            assert page.evaluate(f"{focused}.getAttribute('href')") == f"#{name}"
            assert page.evaluate(f"getComputedStyle({focused}).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.querySelector('#model').getBoundingClientRect().top < innerHeight / 2")
        page.locator("#verdict summary").focus()
        page.keyboard.press("Enter")
        assert page.locator("#verdict details").get_attribute("open") is not None
        loose = "all => all.filter(s => s.scrollWidth > s.clientWidth && s.tabIndex < 0).length"
        assert page.eval_on_selector_all(".scroll", loose) == 0  # whatever scrolls takes the focus
        page.locator(".skip").focus()
        page.keyboard.press("Enter")
        assert page.evaluate(f"{focused}.id") == "main"


@pytest.mark.parametrize("width", [320, 360, 800])
def test_a_narrow_screen_scrolls_in_one_direction_only(reported: Path, opened: Any, width: int) -> None:
    with opened(page_of(reported), width=width) as watched:
        watched.page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_background(reported: Path, opened: Any, scheme: str) -> None:
    with opened(page_of(reported), scheme=scheme) as watched:
        watched.page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
        seen = watched.page.evaluate(CONTRASTS)
        paper = watched.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert len(seen) > 300
    assert [found for found in seen if found[0] < 4.5] == []
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_paper_gets_everything_in_the_light_colours(reported: Path, opened: Any) -> None:
    with opened(page_of(reported), scheme="dark") as watched:
        page = watched.page
        page.emulate_media(media="print")
        assert not page.locator("nav").is_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.locator("#verdict details table").is_visible()
        assert len(page.pdf()) > 50_000


def test_what_the_emulator_gave_releases_no_real_board(
    reported: Path, small_model: Path, small_bundle: Path, tmp_path: Path
) -> None:
    readback, target = reported / "run.jsonl", "stm32n6570-dk"
    told = succeed(
        "report", small_bundle, "--target", target, "--readback", readback, "--audio", small_model / "recordings",
        "-o", tmp_path / "r", "--output-format", "json",
    )  # fmt: skip
    verdict = json.loads(told)["verdict"]
    assert verdict["status"] != "release"
    assert any("a board that the readback does not name" in told for told in verdict["missing"])


class Sane(HTMLParser):
    """Holds a page to what every browser reads alike: tags closed in order, ids once, links that lead somewhere."""

    VOID = frozenset({"meta", "link", "img", "source", "br", "hr"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.levels: list[int] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if name in ("src", "srcset") and value:
                self.sources.append(value)
            if name in ("href", "aria-labelledby", "xlink:href") and value and not value.startswith("data:"):
                self.links.append(value.removeprefix("#"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_html_is_sound(reported: Path) -> None:
    text = page_of(reported).read_text(encoding="utf-8")
    sane = Sane()
    sane.feed(text)
    sane.close()
    assert text.startswith("<!DOCTYPE html>\n<html lang=")
    assert (sane.open, sane.wrong) == ([], [])
    assert len(sane.ids) == len(set(sane.ids))
    assert set(sane.links) <= set(sane.ids)
    assert sane.levels[0] == 1 and sane.levels.count(1) == 1
    assert all(source.startswith("data:") for source in sane.sources) and len(sane.sources) >= 3


HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "</script><script>alert(3)</script>",
    "</script x", "<!-- <script", "$\\frac{1}{0}$ & =cmd()", "' onmouseover='alert(4)", "{{ 7 * 7 }}", "\u202eevil",
)  # fmt: skip


def test_hostile_names_stay_text(reported: Path, opened: Any, tmp_path: Path) -> None:
    facts = hostile(facts_of(reported))
    path = tmp_path / "hostile.html"
    heard = Heard(np.zeros((1, 8000), np.int16), np.zeros((1, 16, 32, 1), np.float32))
    path.write_text(render_page(facts, heard, audio=True), encoding="utf-8")
    with opened(path) as watched:
        assert (watched.said, watched.asked) == ([], [])
        assert "<" not in watched.page.content().partition('id="facts">')[2].partition("</script>")[0]
        for name in HOSTILE[:5]:
            assert name in watched.page.inner_text("#fidelity")
        assert watched.page.evaluate("document.scripts.length") == 1
        assert (
            watched.page.evaluate("[...document.querySelectorAll('*')].some(e => e.onerror || e.onmouseover)") is False
        )
        inside = json.loads(watched.page.evaluate("facts.textContent"))
    assert inside == facts


def hostile(facts: dict[str, Any]) -> dict[str, Any]:
    """Gives facts whose every name of a file, label, layer or region is hostile."""
    found = copy.deepcopy(facts)
    found["name"] = HOSTILE[0]
    found["model"]["labels"] = list(HOSTILE)
    found["model"]["source"]["name"] = HOSTILE[2]
    found["validation"]["findings"] = [
        {"rule": "BD101", "severity": "error", "message": HOSTILE[1], "where": HOSTILE[0], "fix": HOSTILE[2]}
    ]
    one = found["detail"]["classes"][0]
    found["detail"]["classes"] = [{**one, "label": name, "mostly_becomes": name} for name in HOSTILE]
    window = {**found["detail"]["worst_windows"][0], "file": HOSTILE[1]}
    window["float"] = window["int8"] = [{"label": HOSTILE[0], "score": 0.5}]
    found["detail"]["worst_windows"] = [window]
    for layer in found["layers"]:
        layer["tensor"] = HOSTILE[3]
    for point in found["frontier"]:
        point["name"] = HOSTILE[3]
    for buffer in found["memory"]["plan"]["buffers"]:
        buffer["tensors"] = [HOSTILE[2]]
    for region in found["memory"]["regions"]:
        region["name"] = HOSTILE[0]
    for device in found["device"]:
        device["source"] = HOSTILE[0]
    return found
