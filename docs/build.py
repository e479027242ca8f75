"""Build the site: `python docs/build.py FOLDER`, with the extra `docs`.

The pages are those that are read in the repository. Here they are laid out as a site in a temporary
folder: links between them follow, and a link to a source file leads to a page that shows it. What
leads nowhere fails the build.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIRST_STEPS = (
    "Try it",
    "Generate policies from your own demonstration",
    "From nothing to a generator",
)
"Sections of the README that make up a page of their own."
SHOWN = ("examples/finetune_torch.py", "examples/reacher_suite.py")
"Source files that have a page."
STYLE = "docs/site.css"
FENCE = re.compile(r"^(```.*?^```)$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")


def place_files() -> dict[str, str]:
    """Where files of the repository lie in the site, by their paths; both with slashes."""
    files = [path for path in (ROOT / "docs").rglob("*") if path.suffix in (".md", ".png", ".webp")]
    files += (ROOT / "examples").rglob("*.md")
    sources = [path.relative_to(ROOT).as_posix() for path in files]
    places = {source: source.removeprefix("docs/") for source in sources}
    places |= {source: source.replace(".py", ".md") for source in SHOWN}
    return places | {
        "README.md": "first_steps.md",
        "CHANGELOG.md": "changelog.md",
        STYLE: "site.css",
    }


def read_page(source: str) -> str:
    """A page's Markdown, before its links are moved.

    Raises:
        ValueError: the README has lost a section of the first steps.
    """
    text = (ROOT / source).read_text(encoding="utf-8")
    if source in SHOWN:
        return f"# {Path(source).name}\n\n```python\n{text}```\n"
    if source == "README.md":
        sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE))
        if missing := [title for title in FIRST_STEPS if title not in sections]:
            raise ValueError(f"README.md: there is no section {missing[0]!r}")
        return "# First steps\n\n" + "".join(f"## {t}\n{sections[t]}" for t in FIRST_STEPS)
    return text


def move_links(text: str, source: str, places: dict[str, str]) -> str:
    """A page's text with its relative links as they are within the site; code stays as it is.

    Raises:
        ValueError: a link leads to what has no place in the site.
    """

    def move(link: re.Match[str]) -> str:
        path, anchor = link.groups(default="")
        target = os.path.normpath(os.path.join(os.path.dirname(source), path))
        # A folder stands for its README.
        place = places.get(target) or places.get(f"{target}/README.md")
        if place is None:
            raise ValueError(f"{source}: {path} has no place in the site")
        return os.path.relpath(place, os.path.dirname(places[source]) or ".") + anchor

    parts = FENCE.split(text)
    return "".join(part if part.startswith("```") else LINK.sub(move, part) for part in parts)


def build(out: Path) -> None:
    """Build the site into `out`; one that is there already is replaced once the new one is whole.

    Raises:
        ValueError: `out` is something else than a site, or a page links to what the site lacks.
        CalledProcessError: zensical found something wrong, and has said what.
    """
    if out.exists() and not (out / "objects.inv").is_file():
        raise ValueError(f"{out}: is there already, and is not a site")
    places = place_files()
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        shutil.copy(ROOT / "zensical.toml", stage)
        (stage / "src").symlink_to(ROOT / "src")
        for source, place in places.items():
            path = stage / "docs" / place
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".md":
                path.write_text(move_links(read_page(source), source, places), encoding="utf-8")
            else:
                shutil.copy(ROOT / source, path)
        command = [sys.executable, "-m", "zensical", "build", "--strict"]
        subprocess.run(command, cwd=stage, check=True)
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(stage / "site", out)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if find_spec("zensical") is None or find_spec("mkdocstrings") is None:
        sys.exit("the site needs zensical and mkdocstrings: pip install -e '.[docs]'")
    try:
        build(Path(sys.argv[1]))
    except ValueError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
