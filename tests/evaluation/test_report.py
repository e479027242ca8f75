"""The report and its pictures: everything inside one file, and nothing said that was not found."""

import io
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from makeanagent.errors import InputError
from makeanagent.evaluation.figures import INK, LINE, PathPanel, draw_paths
from makeanagent.evaluation.protocols import ProtocolConfig, evaluate_policies
from makeanagent.evaluation.report import Report, write_report
from makeanagent.evaluation.tables import print_evaluation, print_policies
from makeanagent.parallel import open_pool
from makeanagent.policies import Policy, PolicySpec
from makeanagent.rollouts import film as video
from makeanagent.rollouts.episodes import record_episode
from makeanagent.rollouts.film import Film, encode_film, encode_png, film_episode
from makeanagent.rollouts.recordings import record_actors
from makeanagent.suites import find_suite
from makeanagent.suites.gymnasium import GymnasiumSuite

TASK = "Reacher-v5"
SPEC = PolicySpec(observation_dim=10, action_dim=2, hidden=(4,), activations=("relu",))
VOID = {"meta", "img", "br"}


@pytest.fixture(scope="module")
def suite():
    return find_suite(f"{Path(__file__).parents[2]}/examples/reacher_suite.py")


@pytest.fixture(scope="module")
def report(suite):
    rng = np.random.default_rng(0)
    parameters = rng.standard_normal((6, SPEC.num_parameters)).astype(np.float32)
    config = ProtocolConfig(layouts_per_policy=2, held_out_layouts=6)
    with open_pool(1) as pool:
        actors = [Policy(vector, SPEC) for vector in parameters]
        result = evaluate_policies(pool, suite, TASK, actors, config)
        episodes = record_actors(pool, suite, TASK, actors, [50_250] * 6)
    return Report(
        title="<tasks> & policies",
        suite=suite,
        task=TASK,
        facts={"generator": "untrained <b>"},
        demonstration=record_episode(suite.make(TASK), suite.expert(TASK), 20_000),
        result=result,
        same_layout=episodes,
        chosen=episodes[:2],
        film_text="no film: nothing to draw with",
        seconds={"load": 1.5, "generate": 0.25},
    )


@pytest.fixture(scope="module")
def film():
    shades = np.arange(12, dtype=np.uint8)[:, None, None, None] * 20
    return Film(frames=np.tile(shades, (1, 32, 48, 3)), steps=tuple(range(0, 24, 2)))


class Page(HTMLParser):
    """Elements that are open, and what the page refers to."""

    def __init__(self, content):
        super().__init__()
        self.open, self.tags, self.sources = [], [], []
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [
            value for name, value in attributes if name in ("src", "href", "xlink:href")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def write(report, folder):
    path = folder / "report.html"
    write_report(path, report)
    content = path.read_text()
    return content, Page(content)


def test_one_file_holds_everything(report, tmp_path):
    content, page = write(report, tmp_path)
    assert page.open == []
    assert all(source.startswith(("#", "data:")) for source in page.sources)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert page.tags.count("svg") == 3
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_pictures_take_their_neutral_colours_from_the_page(report, tmp_path):
    content, _ = write(report, tmp_path)
    assert INK not in content
    assert LINE not in content
    assert "currentColor" in content
    assert "prefers-color-scheme: dark" in content


def test_text_is_escaped_and_numbers_are_the_results(report, tmp_path):
    content, _ = write(report, tmp_path)
    assert "<h1>&lt;tasks&gt; &amp; policies</h1>" in content
    assert "untrained &lt;b&gt;" in content
    assert "no film: nothing to draw with" in content
    assert f"{report.result['held_out']['first_sample']['mean']:.3f}" in content
    assert "0.25 s" in content


def test_film_becomes_a_strip_and_a_moving_picture(report, film, tmp_path):
    from dataclasses import replace

    content, page = write(replace(report, film=film), tmp_path)
    assert page.open == []
    stills = [source for source in page.sources if source.startswith("data:image/png")]
    assert "step 0</div>" in content
    assert "step 22</div>" in content
    assert len(stills) == 5
    assert sum(source.startswith(("data:video/mp4", "data:image/webp")) for source in page.sources)


def test_same_report_same_file(report, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    assert write(report, one)[0] == write(report, other)[0]


def test_matplotlib_stays_as_the_user_has_it(report, tmp_path):
    with matplotlib.rc_context({"font.size": 31}):
        before = dict(matplotlib.rcParams)
        write(report, tmp_path)
        assert dict(matplotlib.rcParams) == before


def test_no_paths_without_traces(report):
    panel = PathPanel(title="", trajectories=[report.demonstration])
    assert draw_paths(GymnasiumSuite(), TASK, [panel]) is None


def test_flat_scenes_are_seen_from_above_alone(report, suite):
    panel = PathPanel(title="", trajectories=[report.demonstration], is_demonstration=True)
    assert len(draw_paths(suite, TASK, [panel, panel]).axes) == 2


def test_tables_show_every_measure_and_policy(report, capsys):
    print_evaluation(report.result)
    lines = capsys.readouterr().out.splitlines()
    for text in ("qualified: all 5 layouts", "top 10", "no selection", "top 5, chosen on 5 others"):
        assert sum(text in line for line in lines) == 1
    print_policies(report.result)
    out = capsys.readouterr().out
    assert all(f" {policy} " in out for policy in range(6))
    assert out.count("chosen, rank") == 5


# Films


def test_pictures_survive_their_encoding(film):
    decoded = np.asarray(Image.open(io.BytesIO(encode_png(film.frames[3]))))
    np.testing.assert_array_equal(decoded, film.frames[3])


def test_moving_picture_without_imageio(film, monkeypatch):
    monkeypatch.setattr(video, "find_spec", lambda name: None)
    content, media_type = encode_film(film)
    assert media_type == "image/webp"
    assert Image.open(io.BytesIO(content)).n_frames == len(film.frames)


def test_moving_picture_with_imageio(film):
    pytest.importorskip("imageio_ffmpeg")
    content, media_type = encode_film(film)
    assert media_type == "video/mp4"
    assert b"ftyp" in content[:16]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"MUJOCO_GL": "glfw"}, ("glfw",)),
        ({}, ("egl", "osmesa")),
        ({"DISPLAY": ":0"}, ("glfw", "egl", "osmesa")),
    ],
)
def test_libraries_that_are_tried(monkeypatch, environment, expected):
    for name in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(video.sys, "platform", "linux")
    assert video._list_libraries() == expected


def test_no_film_without_a_library(monkeypatch, suite, capfd):
    monkeypatch.setenv("MUJOCO_GL", "none-such")
    with pytest.raises(InputError, match="no film: .apt-get install libosmesa6.*") as caught:
        film_episode(suite, TASK, 0, np.zeros((3, 2)))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""
