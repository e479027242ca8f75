"""Episodes as pictures: frames rendered in a process of their own, and films made of them.

OpenGL libraries may be absent, fail, or bring a process down, and MuJoCo binds to one of them when
it is imported. So each is tried in a fresh process, whose end costs the caller nothing.
"""

import io
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from textwrap import shorten

import numpy as np

from makeanagent.errors import InputError
from makeanagent.parallel import count_cpus
from makeanagent.rollouts.episodes import play
from makeanagent.suites import Suite

HOW_TO_RENDER = (
    "`apt-get install libosmesa6` (or libegl1) gives an OpenGL library; MUJOCO_GL=osmesa (or egl)"
    " chooses it"
)
_FRAMES_PER_SECOND = 20
_MAX_FRAMES = 60


@dataclass(frozen=True, kw_only=True)
class Film:
    """Frames of one episode."""

    frames: np.ndarray
    "uint8 `[F, H, W, 3]`."
    steps: tuple[int, ...]
    "Environment steps before each frame."


def film_episode(
    suite: Suite, task: str, layout: int, actions: np.ndarray, max_frames: int = _MAX_FRAMES
) -> Film:
    """Film one episode, as `film_episodes` does several."""
    (film,) = film_episodes(suite, task, [(layout, actions)], max_frames)
    return film


def film_episodes(
    suite: Suite,
    task: str,
    episodes: Sequence[tuple[int, np.ndarray]],
    max_frames: int = _MAX_FRAMES,
) -> list[Film]:
    """Replay recorded actions and take pictures on the way.

    Args:
        suite: the environments.
        task: the task's full name.
        episodes: the layout where each began, and its actions `[T, A]`.
        max_frames: the first and the last state are among the frames of each.

    Raises:
        InputError: no picture can be drawn here; says how to change that.
    """
    steps = [_choose_steps(len(actions), max_frames) for _, actions in episodes]
    reasons = []
    for library in _list_libraries():
        pool = ProcessPoolExecutor(
            min(len(episodes), count_cpus()),
            mp_context=get_context("spawn"),
            initializer=_use_library,
            initargs=(library,),
        )
        with pool:
            try:
                films = [
                    pool.submit(_replay, suite, task, layout, actions, each)
                    for (layout, actions), each in zip(episodes, steps, strict=True)
                ]
                return [
                    Film(frames=film.result(), steps=each)
                    for film, each in zip(films, steps, strict=True)
                ]
            except BrokenProcessPool:
                reasons.append(f"{library or 'default'}: brings its process down")
            except Exception as error:  # Each library fails in its own way.
                reasons.append(f"{library or 'default'}: {shorten(str(error), 90)}")
    raise InputError(f"no film: {HOW_TO_RENDER} (tried {'; '.join(reasons)})")


def _choose_steps(num_actions: int, max_frames: int) -> tuple[int, ...]:
    """Steps before which frames are taken, evenly from none to all."""
    return tuple(np.unique(np.linspace(0, num_actions, max_frames).round().astype(int)).tolist())


def _list_libraries() -> tuple[str, ...]:
    """Values of MUJOCO_GL worth a try; an empty one is MuJoCo's own choice."""
    if os.environ.get("MUJOCO_GL"):
        return (os.environ["MUJOCO_GL"],)
    if sys.platform != "linux":
        return ("",)
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return ("glfw", "egl", "osmesa")
    return ("egl", "osmesa")


def _use_library(library: str) -> None:
    if library:
        os.environ["MUJOCO_GL"] = library
    # What the libraries write goes past Python's own stderr.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)


def _replay(
    suite: Suite, task: str, layout: int, actions: np.ndarray, steps: Sequence[int]
) -> np.ndarray:
    """Frames `[F, H, W, 3]` of an episode, before its first action and after each of `steps`."""
    environment = suite.make(task, render=True)
    environment.reset(layout)
    frames = [np.array(environment.render())]
    again = iter(actions)
    episode = play(environment, lambda _: next(again), layout, len(actions))
    for number, _ in enumerate(episode, start=1):
        if number in steps:
            frames.append(np.array(environment.render()))
    return np.array(frames)


def encode_png(image: np.ndarray) -> bytes:
    """A picture uint8 `[H, W, 3]` as PNG."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def encode_webp(
    film: Film, width: int | None = None, frames_per_second: int = _FRAMES_PER_SECOND
) -> bytes:
    """The film as animated WebP, which repeats itself.

    Args:
        film: its frames.
        width: pixels that frames are made smaller to; by default they stay as they are.
        frames_per_second: its speed.
    """
    from PIL import Image

    first, *others = (Image.fromarray(frame) for frame in film.frames)
    if width is not None and width < first.width:
        size = (width, round(first.height * width / first.width))
        first, *others = (frame.resize(size) for frame in (first, *others))
    stream = io.BytesIO()
    first.save(
        stream,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=1000 // frames_per_second,
        loop=0,
        quality=75,
    )
    return stream.getvalue()
