"""The page in a real browser: from a bundled demonstration to pictures and files, and bad files."""

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.web.conftest import run_server

from makeanagent.demo import PROMPTS
from makeanagent.errors import InputError
from makeanagent.rollouts import scenes
from makeanagent.trajectories import Trajectory

pytest.importorskip("starlette", reason="the extra `web` is not installed")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="the extra `web-test` is not installed"
)
CHROMIUM = Path("/usr/bin/chromium")
if not CHROMIUM.exists():
    pytest.skip(f"{CHROMIUM} is not installed", allow_module_level=True)

PATIENCE = 120_000
"""Milliseconds; other processes may want the processors too."""


@pytest.fixture(scope="module")
def served():
    from makeanagent.web.studio import StudioConfig

    with pytest.MonkeyPatch.context() as patch:
        # Frames cost a third of a second each without a GPU.
        patch.setattr(scenes, "_MAX_FRAMES", 3)
        config = StudioConfig(generators=("metaworld-41",), max_upload=1, num_workers=1)
        yield from run_server(config)


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as running:
        # Within containers there is no other sandbox than the container.
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, served):
    """Open the page as a new visitor, who must see no error of its own and no foreign request."""
    contexts, wrong = [], []

    def open_page(width=1100):
        context = chromium.new_context(viewport={"width": width, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        own = (served.address, "data:")
        page.on(
            "request",
            lambda asked: wrong.append(asked.url) if not asked.url.startswith(own) else None,
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(served.address)
        page.wait_for_selector("#generator:enabled")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def choose(page, task="door-lock-v3", num=2):
    page.select_option("#bundled", task)
    page.wait_for_selector("#go:enabled")
    page.locator("#num").fill(str(num))


def finish(page):
    page.click("#go")
    page.wait_for_selector("#go:disabled")
    page.wait_for_selector("#go:enabled")
    assert page.locator("#failed").is_hidden(), page.inner_text("#failed")


def require_no_overflow(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_from_a_bundled_demonstration_to_moving_pictures_and_files(visit, tmp_path):
    page = visit()
    assert page.locator("#go").is_disabled()
    assert page.inner_text("#needed") == "Choose a demonstration first."
    choose(page)
    facts = page.inner_text("#facts")
    for text in ("metaworld/door-lock-v3", "success at step 62", "like training", "policies come"):
        assert text in facts
    assert page.locator("#read-paths svg").is_visible()
    assert page.input_value("#task") == "door-lock-v3"
    finish(page)
    assert page.inner_text("#mean").endswith("%")
    assert "of policies from door-lock-v3.npz in 20 episodes" in page.inner_text("#mean-text")
    assert page.locator("#policies li").count() == 2
    assert page.locator("#paths svg").is_visible()
    if page.locator("#scenes").is_hidden():
        assert page.inner_text("#missing").startswith("no film: `apt-get install")
    else:
        titles = page.locator("#scenes b").all_inner_texts()
        assert titles == ["The demonstration", "Generated policy 0", "Generated policy 1"]
        sizes = page.locator("#scenes img").evaluate_all(
            "all => all.map(each => each.naturalWidth)"
        )
        assert sizes == [320] * 3
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "policies.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert sorted(archive.namelist()) == [
            "policies/policies.json", "policies/policies.safetensors",
        ]  # fmt: skip
    for width in (1100, 390):
        page.set_viewport_size({"width": width, "height": 900})
        require_no_overflow(page)


def test_bad_files_are_one_clear_line(visit, tmp_path):
    page = visit(width=390)
    for name, content, line in (
        ("mine.pkl", b"x", "mine.pkl: must be an .npz file"),
        ("large.npz", bytes(1_000_001), "large.npz: larger than 1 MB"),
        ("broken.npz", b"no zip", "broken.npz: not readable as a zip file"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        page.set_input_files("#file", path)
        page.locator("#unreadable").filter(has_text=line).wait_for()
        assert page.locator("#reading").is_hidden()
        assert page.locator("#go").is_disabled()
        require_no_overflow(page)
    # A good one after that is as if nothing had been.
    choose(page)
    assert page.locator("#unreadable").is_hidden()


def test_a_file_that_names_no_task_is_played_on_none_before_one_is_chosen(visit, tmp_path):
    page = visit()
    choose(page)
    nameless = replace(Trajectory.load(PROMPTS / "door-lock-v3.npz"), env_id=None)
    nameless.save(tmp_path / "nameless.npz")
    page.set_input_files("#file", tmp_path / "nameless.npz")
    page.locator("#label").filter(has_text="nameless.npz").wait_for()
    assert page.input_value("#task") == ""
    assert page.locator("#go").is_disabled()
    assert page.inner_text("#needed") == "Choose the task to play."
    assert page.locator("#read-paths").is_hidden()
    page.select_option("#task", "door-lock-v3")
    page.locator("#read-paths svg").wait_for()
    assert page.locator("#go").is_enabled()


def test_two_visitors_at_once_where_no_picture_can_be_drawn(visit, monkeypatch):
    def refuse(*_):
        raise InputError("no film: nothing to draw with")

    monkeypatch.setattr(scenes, "film_episodes", refuse)
    first, second = visit(), visit()
    choose(first, "door-lock-v3", 1)
    choose(second, "door-close-v3", 1)
    first.click("#go")
    finish(second)
    first.wait_for_selector("#missing:visible")
    for page, task in ((first, "door-lock-v3"), (second, "door-close-v3")):
        assert page.inner_text("#label") == f"{task}.npz"
        assert page.locator("#policies li").count() == 1
        assert page.inner_text("#missing") == "no film: nothing to draw with"
        assert page.locator("#failed").is_hidden()
        assert page.locator("#download").is_visible()


def test_whoever_closes_the_page_is_forgotten(visit, served, npz):
    page = visit()
    page.set_input_files("#file", npz)
    page.locator("#unreadable").filter(has_text="mine.npz: 'observations' are 10 wide").wait_for()
    (folder,) = served.root.iterdir()
    page.goto("about:blank")
    for _ in range(100):
        if not folder.exists():
            return
        page.wait_for_timeout(100)
    pytest.fail("what was uploaded is still there")
