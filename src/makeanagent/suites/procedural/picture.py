"""A world as a picture: from above, and below that from the front, with x to the right in both."""

from typing import TYPE_CHECKING

import numpy as np

from makeanagent.suites.procedural.scenes import (
    ABSENT,
    HINGE,
    HOLE,
    LOOSE,
    SLIDE,
    SLIDER,
    TOP,
    follow_mechanism,
)
from makeanagent.suites.procedural.world import World

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_PIXELS = 480
"""Pixels to a metre."""
_LEFT = -0.5
_PANELS = ((1, 1.05, 0, 336), (2, 0.55, 336, 600))
"""Of each view: the coordinate that points up, its value at the upper edge, and first and last row
of pixels."""
_WIDTH, _HEIGHT = 480, 600
_PAPER, _TABLE, _INK = (255, 255, 255), (238, 236, 230), (70, 70, 70)
_HAND, _OBJECT, _SECOND = (31, 95, 160), (204, 102, 34), (110, 130, 60)
_GOAL, _WALL, _PATH = (190, 30, 60), (160, 155, 150), (225, 190, 160)


def draw_world(world: World) -> np.ndarray:
    """The first of a world's scenes as it is now, uint8 `[600, 480, 3]`."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
    draw = ImageDraw.Draw(image)
    for up, top, first, last in _PANELS:
        view = _View(draw, up, top, first)
        draw.rectangle((0, first, _WIDTH, last - 1), fill=_TABLE if up == 1 else _PAPER)
        _draw_scene(view, world)
    draw.rectangle((0, _HEIGHT - 6, _WIDTH, _HEIGHT), fill=_TABLE)
    for words, row in (("from above", 4), ("from the front", 340)):
        draw.text((6, row), words, fill=_INK)
    draw.line((0, 336, _WIDTH, 336), fill=_INK)
    return np.array(image)


class _View:
    """Shapes in metres, seen from one side."""

    def __init__(self, draw: "ImageDraw", up: int, top: float, first: int) -> None:
        self._draw, self._up, self._top, self._first = draw, up, top, first

    def place(self, point: np.ndarray) -> tuple[float, float]:
        """Pixels of a point `[3]`."""
        right = (float(point[0]) - _LEFT) * _PIXELS
        return right, self._first + (self._top - float(point[self._up])) * _PIXELS

    def disc(self, point: np.ndarray, radius: float, color: tuple[int, int, int]) -> None:
        x, y = self.place(point)
        size = radius * _PIXELS
        self._draw.ellipse((x - size, y - size, x + size, y + size), fill=color, outline=_INK)

    def ring(self, point: np.ndarray, radius: float, color: tuple[int, int, int]) -> None:
        x, y = self.place(point)
        size = radius * _PIXELS
        self._draw.ellipse((x - size, y - size, x + size, y + size), outline=color, width=3)

    def line(self, points: np.ndarray, color: tuple[int, int, int], width: int = 3) -> None:
        self._draw.line([self.place(point) for point in points], fill=color, width=width)

    def box(self, low: np.ndarray, high: np.ndarray, color: tuple[int, int, int]) -> None:
        (left, bottom), (right, top) = self.place(low), self.place(high)
        self._draw.rectangle((left, top, right, bottom), fill=color, outline=_INK)


def _draw_scene(view: _View, world: World) -> None:
    scene, layout = world.scene, world.layout
    low, high = scene.wall[0]
    if high[2] > 0:
        view.box(low, high, _WALL)
    if scene.other[0] != ABSENT:
        _draw_second(view, world)
    if scene.body[0] in (SLIDE, HINGE):
        shares = np.linspace(0, 1, 9, dtype=np.float32)
        many = scene.take(np.zeros(9, int))
        path, _ = follow_mechanism(many, layout.object[:1], shares * scene.travel[0])
        view.line(path + scene.contact[0], _PATH, 6)
        if scene.body[0] == HINGE:
            pivot = layout.object[0] + scene.contact[0] - scene.radius[0] * scene.arm[0]
            view.line(np.stack([pivot, world.object[0] + scene.contact[0]]), _OBJECT)
    if world.object[0].any():
        place = world.object[0]
        if scene.body[0] == LOOSE:
            view.line(np.stack([place, place + scene.tip[0]]), _OBJECT, 7)
        else:
            view.line(np.stack([place, place + scene.contact[0]]), _OBJECT, 3)
        view.disc(place + (scene.body[0] != LOOSE) * scene.contact[0], 0.02, _OBJECT)
    view.ring(layout.goal[0], 0.02, _GOAL)
    hand = world.hand[0]
    half = 0.05 * float(world.gripper[0])
    for side in (-1, 1):
        finger = hand + np.array([side * half, 0, 0])
        view.line(np.stack([finger, finger - np.array([0, 0, 0.045])]), _HAND, 6)
    view.line(np.stack([hand - [half, 0, 0], hand + [half, 0, 0]]), _HAND, 5)
    view.disc(hand, 0.008, _HAND)


def _draw_second(view: _View, world: World) -> None:
    scene = world.scene
    part = world.second[0] + scene.part[0]
    if scene.other[0] == TOP:
        half = float(scene.clearance[0])
        low = np.array([part[0] - half, part[1] - half, 0])
        view.box(low, np.array([part[0] + half, part[1] + half, part[2]]), _SECOND)
    elif scene.other[0] == HOLE:
        view.line(np.stack([part, part + scene.depth[0] * scene.axis[0]]), _SECOND, 8)
        view.ring(part, float(scene.clearance[0]), _SECOND)
    elif scene.other[0] == SLIDER:
        start = world.layout.second[0] + scene.part[0]
        view.line(np.stack([start, start + scene.depth[0] * scene.axis[0]]), _PATH, 6)
        view.disc(part, 0.02, _SECOND)
    else:
        view.disc(part, 0.02, _SECOND)
