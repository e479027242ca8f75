"""The site builds strictly, has all pages and public names, and asks no other host for a thing."""

import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest

import makeanagent
from docs import build

ROOT = Path(__file__).parents[2]
PLACES = build.place_files()
PAGES = sorted(place for place in PLACES.values() if place.endswith(".md"))
LOADING = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "srcset"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for module in ("zensical", "mkdocstrings"):
        pytest.importorskip(module, reason="needs the extra docs")
    out = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, "docs/build.py", out]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return out


def find_html(site, page):
    return site / page.replace("README.md", "index.md").replace(".md", ".html")


def list_navigation(entries):
    for entry in entries:
        (value,) = entry.values()
        yield from list_navigation(value) if isinstance(value, list) else [value]


def test_every_page_is_in_the_navigation():
    nav = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    assert sorted(list_navigation(nav)) == PAGES


def test_every_page_is_built_and_loads_from_the_site_alone(site):
    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            loaded = dict(attributes).get(LOADING.get(tag))
            # The page's own address is named, not loaded.
            if loaded and dict(attributes).get("rel") != "canonical":
                found.append(loaded)

    for page in PAGES:
        found = []
        Reader().feed(find_html(site, page).read_text())
        assert len(found) >= 3
        assert not [url for url in found if "//" in url], page
    for style in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()[\"' ]*(https?:)?//", style.read_text()), style


def test_every_public_name_is_described(site):
    page = (site / "api.html").read_text()
    for name in dir(makeanagent):
        if not name.startswith("__"):
            assert f'id="makeanagent.{name}"' in page, name
    # Sections of docstrings are laid out: their arguments are no running text.
    assert "Args:" not in page
    assert "Raises:" in page


def test_first_steps_are_the_readmes(site):
    page = (site / "first_steps.html").read_text()
    for title in build.FIRST_STEPS:
        assert f"{title}<" in page
    assert 'href="formats.html"' in page
    assert 'href="examples/index.html"' in page


def test_links_follow_their_pages():
    def move(text, source):
        return build.move_links(text, source, PLACES)

    assert move("[x](../examples/finetune_torch.py)", "docs/export.md") == (
        "[x](examples/finetune_torch.md)"
    )
    assert move("[x](../docs/formats.md#a-zoo)", "examples/README.md") == "[x](../formats.md#a-zoo)"
    assert move("[x](../examples/space)", "docs/web.md") == "[x](examples/space/README.md)"
    for kept in ("[x](https://arxiv.org)", "[x](#there)", "```\n[x](nowhere.md)\n```"):
        assert move(kept, "docs/web.md") == kept
    with pytest.raises(ValueError, match=r"docs/web.md: nowhere.md has no place"):
        move("[x](nowhere.md)", "docs/web.md")


def test_nothing_but_a_site_is_replaced(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not a site"):
        build.build(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"
