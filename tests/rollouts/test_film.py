"""Films: pictures of the states that were played, kept whole by their encodings."""

import io
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from makeanagent.errors import InputError
from makeanagent.rollouts import film as video
from makeanagent.rollouts.film import Film, encode_png, encode_webp, film_episode, film_episodes
from makeanagent.suites import Step, find_suite

SUITE = f"{Path(__file__).parents[2]}/examples/reacher_suite.py"


@pytest.fixture(scope="module")
def film():
    shades = np.arange(12, dtype=np.uint8)[:, None, None, None] * 20
    return Film(frames=np.tile(shades, (1, 32, 48, 3)), steps=tuple(range(0, 24, 2)))


@dataclass(frozen=True)
class ClockSuite:
    """Its pictures show the layout, the steps that were taken, and the last action."""

    horizon = 200

    def make(self, task, *, render=False):
        assert render
        return self

    def reset(self, layout):
        self.__dict__.update(layout=layout, steps=0, action=0)

    def step(self, action):
        self.__dict__.update(steps=self.steps + 1, action=int(action[0]))
        return Step(np.zeros(1), 0.0, None, terminated=False, over=False)

    def render(self):
        return np.array([[[self.layout, self.steps, self.action]]], np.uint8)


def test_frames_show_the_states_before_and_after_the_actions():
    actions = np.arange(1, 8)[:, None] * 10
    frames = video._replay(ClockSuite(), "task", 42, actions, (0, 1, 4, 7))
    assert frames[:, 0, 0].tolist() == [[42, 0, 0], [42, 1, 10], [42, 4, 40], [42, 7, 70]]


@pytest.mark.parametrize(
    ("num_actions", "max_frames", "steps"),
    [(3, 60, (0, 1, 2, 3)), (100, 5, (0, 25, 50, 75, 100)), (0, 60, (0,))],
)
def test_the_first_and_the_last_state_are_among_the_frames(
    num_actions, max_frames, steps, monkeypatch
):
    class Inline:
        """Stands in for a process of its own."""

        def __init__(self, *_, **__):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def submit(self, function, *arguments):
            return SimpleNamespace(result=lambda: function(*arguments))

    monkeypatch.setattr(video, "ProcessPoolExecutor", Inline)
    found = film_episode(ClockSuite(), "task", 3, np.zeros((num_actions, 1)), max_frames)
    again = film_episodes(
        ClockSuite(), "task", [(5, np.zeros((9, 1))), (3, np.zeros((num_actions, 1)))], max_frames
    )
    assert (again[0].frames[:, 0, 0, 0] == 5).all() and again[1].steps == steps
    assert found.steps == steps
    assert found.frames[:, 0, 0, 1].tolist() == list(steps)


def test_the_moving_picture_lasts_as_long_as_it_should(film):
    picture = Image.open(io.BytesIO(encode_webp(film)))
    durations = []
    for frame in range(picture.n_frames):
        picture.seek(frame)
        picture.load()
        durations.append(picture.info["duration"])
    # Twenty frames a second.
    assert durations == [50] * 12


def test_pictures_survive_their_encoding(film):
    decoded = np.asarray(Image.open(io.BytesIO(encode_png(film.frames[3]))))
    np.testing.assert_array_equal(decoded, film.frames[3])


def test_moving_pictures_are_made_smaller_and_slower_for_a_page(film):
    picture = Image.open(io.BytesIO(encode_webp(film, 24, 10)))
    assert (picture.size, picture.n_frames) == ((24, 16), 12)
    picture.seek(5)
    picture.load()
    assert picture.info["duration"] == 100
    assert Image.open(io.BytesIO(encode_webp(film, 400))).size == (48, 32)


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


def test_no_film_without_a_library(monkeypatch, capfd):
    monkeypatch.setattr(video, "_list_libraries", lambda: ("none-such",))
    with pytest.raises(InputError, match="no film: .apt-get install libosmesa6.*") as caught:
        film_episode(find_suite(SUITE), "Reacher-v5", 0, np.zeros((3, 2)))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""
