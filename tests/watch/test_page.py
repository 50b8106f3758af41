"""The page of a watched source, in a real browser, from a file."""

import shutil
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tiny_watch import FPS, allowed_lamps, models, watching, write_scene

from vigil.watch.recording import Recorder

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two alarms, 4.5 to 8.5 s and 11.5 to 13.5 s, the second one too short to be an alarm."""
    place = tmp_path_factory.mktemp("page")
    scene = write_scene(place / "door.mp4", 16.0, lit=((5.0, 8.0), (12.0, 13.0)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIGIL_STATE_DIR", str(place / "state"))
        settings = watching(**{"raising.min_duration_s": 3.0})
        get_models = partial(models, allowed_lamps())
        Recorder({"a": "0"}, get_models, settings, Fraction(FPS)).watch(scene, place / "out")
    return place / "out"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desktop", "phone"])
def page(browser: Any, folder: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    width, height = request.param
    page = browser.new_page(viewport={"width": width, "height": height})
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.on(
        "request",
        lambda request: request.url.startswith(folder.as_uri()) or complaints.append(request.url),
    )
    page.goto((folder / "index.html").as_uri())
    page.wait_for_function("video.readyState >= 1")
    yield page
    assert not complaints
    page.close()


def now(page: Any) -> float:
    page.wait_for_function("!video.seeking")
    return float(page.evaluate("video.currentTime"))


def test_it_plays_and_a_click_on_the_line_goes_there(page: Any):
    assert page.evaluate("video.duration") == pytest.approx(16.0, abs=0.2)
    box = page.locator("#timeline").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    assert now(page) == pytest.approx(8.0, abs=0.1)
    assert page.locator("#clock").inner_text() in {"0:07.9", "0:08.0"}


def test_the_keyboard_goes_to_events_and_through_time(page: Any):
    page.keyboard.press("n")
    assert now(page) == pytest.approx(4.5, abs=0.01)
    page.keyboard.press("ArrowRight")
    assert now(page) == pytest.approx(9.5, abs=0.01)
    page.keyboard.press("p")
    page.keyboard.press(".")
    assert now(page) == pytest.approx(4.6, abs=0.01)
    page.keyboard.press(" ")
    assert not page.evaluate("video.paused")


def test_cards_are_filtered_and_go_to_their_event(page: Any):
    assert page.locator(".card").count() == 1
    page.check("#suppressed")
    assert page.locator(".card").count() == 2
    assert "shorter than min_duration_s" in page.locator(".card").nth(1).inner_text()
    page.locator(".card").nth(1).get_by_role("button", name="go there").click()
    assert now(page) == pytest.approx(11.5, abs=0.01)
    page.wait_for_function(
        "[...document.querySelectorAll('.card img')].every(i => i.complete && i.naturalWidth)"
    )
    page.evaluate("document.getElementById('least').value = 99; showCards()")
    assert page.locator("#none").is_visible() == (page.locator(".card").count() == 0)


def test_a_card_shows_the_most_similar_allowed_clips(page: Any):
    page.check("#suppressed")
    for number in range(2):
        card = page.locator(".card").nth(number)
        assert "by lamp" in card.inner_text()
        figures = card.locator("figure")
        names = [figures.nth(at).inner_text() for at in range(figures.count())]
        assert [name.split(",")[0] for name in names] == ["eve.mp4 at 0:02.0", "day.mp4 at 0:01.0"]
        for figure in (figures.nth(0), figures.nth(1)):
            picture = figure.locator("img")
            picture.scroll_into_view_if_needed()
            page.wait_for_function(
                "i => i.complete && i.naturalWidth", arg=picture.element_handle()
            )


def test_tracks_that_were_refused_are_shown_on_demand(page: Any):
    assert page.locator("#tracks tr").count() == 1
    page.check("#refused")
    assert page.locator("#tracks tr").count() == 2
    assert page.locator("#tracks tr.refused").count() == 1


def test_nothing_is_wider_than_the_screen(page: Any):
    page.check("#suppressed")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_without_allowed_clips_a_card_says_so(browser: Any, tmp_path: Path, monkeypatch: Any):
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    scene = write_scene(tmp_path / "door.mp4")
    Recorder({"a": "0"}, models, watching(), Fraction(FPS)).watch(scene, tmp_path / "out")
    page = browser.new_page()
    page.goto((tmp_path / "out" / "index.html").as_uri())
    assert "none, as the models came without them" in page.locator(".card").inner_text()
    assert not (tmp_path / "out" / "allowed").exists()
    page.close()
