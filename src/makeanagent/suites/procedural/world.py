"""The world in which drawn tasks are played: many at once, of one task or of many.

Kinematic: there are no forces. The hand follows the actions as `HandDynamics` says, moves what it
touches, and is held up by what does not give way. An object is held while the fingers are closed
around it: it slips where they press too little for its weight and speed, and is lost when it has
moved too far between them.
"""

import numpy as np

from makeanagent.suites.procedural import contact
from makeanagent.suites.procedural.arrays import dot, measure
from makeanagent.suites.procedural.hand import HandDynamics
from makeanagent.suites.procedural.scenes import (
    HAND_THERE,
    HINGE,
    HOLE,
    INSIDE,
    LOOSE,
    OBJECT_THERE,
    OUTSIDE,
    SECOND_TRAVELLED,
    SLIDE,
    SLIDER,
    TOP,
    TRAVELLED,
    Layout,
    Scene,
    follow_mechanism,
)

OBSERVATION_DIM, ACTION_DIM = 39, 4
_BETWEEN_FINGERS = np.array([0.03, 0.03, 0.03], np.float32)
"""Metres, along each axis, by which a contact may be off the hand and still between the fingers."""
_PLAY = np.array([0.02, 0.02, np.inf], np.float32)
"""Metres by which an object may be off the hand before the open fingers drag it along."""
_TOUCHING = 0.05
"""Reading of the gripper above an object's width from which on the fingers press on it."""
_MOTOR = 0.4
"""Share of a new effort that reaches the fingers in a step."""
_LEAST_SQUEEZE = 0.05
_FAST = 0.01
"""Metres a step at which an object needs twice the effort that holds it still."""
_SLIP = 0.003
"""Metres that an object slips in a step, where the fingers press too little."""
_GRIP = 0.5
"""Share of the distance between hand and what it holds that a step takes away."""
_GRAVITY, _FALL = 0.004, 0.03
"""Metres a step by which a falling object gets faster, and its greatest speed."""
_UP = np.array([0, 0, 1], np.float32)


class World:
    """W worlds, each with its own scene.

    Args:
        scene: of W tasks.
        hand: how the hands answer actions.
    """

    layout: Layout
    "Where things were at the beginning."
    hand: np.ndarray
    "Float32 `[W, 3]`, as all places."
    object: np.ndarray
    second: np.ndarray
    travelled: np.ndarray
    "Metres that first objects have gone along their paths, `[W]`."
    second_travelled: np.ndarray
    gripper: np.ndarray
    "Reading, 1 when open, `[W]`."
    held: np.ndarray
    "Whether the fingers hold the first object, bool `[W]`."
    _squeeze: np.ndarray
    "Effort that has reached the fingers, `[W]`."
    _falling: np.ndarray
    "Metres that first objects fell in this step, `[W]`."

    def __init__(self, scene: Scene, hand: HandDynamics) -> None:
        self.scene, self.dynamics = scene, hand
        self._moves = (scene.body == SLIDE) | (scene.body == HINGE)
        self._loose = scene.body == LOOSE
        self._mouth_known = scene.other == HOLE
        self._has_slider = scene.other == SLIDER
        self._walled = bool((scene.wall[:, 1, 2] > 0).any())
        self._fingers_fit = (scene.width < 1) & (self._loose | scene.held_only)

    def reset(self, layout: Layout) -> np.ndarray:
        """Start an episode in each world; observations, float32 `[W, 39]`."""
        zeros = np.zeros(len(layout), np.float32)
        self.layout = layout
        self.hand = np.clip(layout.hand, self.dynamics.low, self.dynamics.high).astype(np.float32)
        self._drawn_to, self._motion = self.hand.copy(), np.zeros_like(self.hand)
        self.object, self.second = layout.object.copy(), layout.second.copy()
        self.travelled, self.second_travelled, self._falling = zeros, zeros.copy(), zeros.copy()
        self.gripper, self._finger_speed, self._squeeze = zeros + 1, zeros.copy(), zeros.copy()
        self.held = zeros.astype(bool)
        self._rest = np.where(self.scene.starts_inside, 0.02, layout.object[:, 2])
        self._slip = np.zeros_like(self.hand)
        current = self._look()
        self._current = current
        return self._join(current, current)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Act in each world, `[W, 4]`; observations `[W, 39]` and success bool `[W]`."""
        actions = np.clip(actions, -1, 1).astype(np.float32)
        motion, self._drawn_to = self.dynamics.move(
            self.hand, self._drawn_to, self._motion, actions[:, :3]
        )
        hand = self.hand + motion
        if self._walled:
            hand = contact.keep_hand_out(hand, self.scene.wall)
        self._turn_fingers(actions[:, 3])
        hand = self._move_mechanisms(hand)
        hand = self._move_objects(hand)
        self._motion, self.hand = hand - self.hand, hand
        before, self._current = self._current, self._look()
        return self._join(self._current, before), self.judge()

    def _find_contact(self) -> np.ndarray:
        return self.object + self.scene.contact

    def _turn_fingers(self, effort: np.ndarray) -> None:
        """Close or open the fingers, and see what they hold."""
        scene = self.scene
        away = self.hand - self._find_contact()
        near = np.abs(away) < _BETWEEN_FINGERS
        # Fingers that have closed without the object do not come round it any more.
        self._over = self._fingers_fit & near[:, 0] & near[:, 1]
        self._over &= self.gripper > scene.width - _TOUCHING
        self._enclosed = self._over & near[:, 2]
        least = np.where(self._enclosed, scene.width, self.dynamics.closed)
        self.gripper, self._finger_speed = (
            each.astype(np.float32)
            for each in self.dynamics.turn_fingers(self.gripper, self._finger_speed, effort, least)
        )
        self._squeeze = (1 - _MOTOR) * self._squeeze + _MOTOR * effort
        presses = (self.gripper <= scene.width + _TOUCHING) & (self._squeeze > _LEAST_SQUEEZE)
        holds = self._enclosed & presses
        begins = holds & ~self.held
        self._slip = np.where(begins[:, None], away, self._slip)
        self.held = holds

    def _move_mechanisms(self, hand: np.ndarray) -> np.ndarray:
        """Push or pull sliding and turning objects; where that leaves the hands."""
        scene = self.scene
        handle = self._find_contact()
        _, tangent = follow_mechanism(scene, self.layout.object, self.travelled)
        touching = self._moves & ~scene.held_only
        size = np.where(touching, scene.size, 0)
        pushed, left = contact.push_along(
            hand, handle, tangent, size, self.travelled, scene.travel, scene.yielding
        )
        # What the fingers hold goes where they go, as far as its path allows.
        pulled = self._moves & scene.held_only & self.held
        strain = hand - handle - self._slip
        drawn = np.clip(self.travelled + dot(strain, tangent), 0, scene.travel)
        untouched = self._moves & ~pulled & (pushed == self.travelled)
        after = np.where(pulled, drawn, pushed)
        after = np.where(untouched, after * (1 - scene.spring), after)
        self.travelled = np.where(self._moves, after, 0).astype(np.float32)
        place, _ = follow_mechanism(scene, self.layout.object, self.travelled)
        self.object = np.where(self._moves[:, None], place, self.object)
        strain = hand - self._find_contact() - self._slip
        hand = np.where(
            pulled[:, None], hand - _GRIP * strain, np.where(touching[:, None], left, hand)
        )
        return hand.astype(np.float32)

    def _move_objects(self, hand: np.ndarray) -> np.ndarray:
        """Carry, shove and drop loose objects; where that leaves the hands."""
        scene, before = self.scene, self.object
        held = self._loose & self.held
        speed = measure(hand - self.hand)
        slips = held & (self._squeeze < scene.weight * (1 + speed / _FAST))
        # The fingers stay where they are and the object sinks between them.
        self._slip = self._slip + (_SLIP * slips)[:, None] * _UP
        carried = hand - scene.contact - self._slip
        shoved = self._loose & ~held
        # Between open fingers, an object is dragged along when it touches them.
        caged = self._enclosed & shoved
        away = self._find_contact() - hand
        dragged = np.clip(away, -_PLAY, _PLAY) - away
        size = np.where(shoved & ~self._over, scene.size, 0)
        shove = contact.push_object(hand, hand - self.hand, self._find_contact(), size)
        wanted = before + np.where(caged[:, None], dragged, shove)
        wanted[:, 2] -= self._fall(shoved)
        wanted = np.where(held[:, None], carried, wanted)
        wanted[:, 2] = np.maximum(wanted[:, 2], self._find_support(before, wanted))
        self._keep_apart(before, wanted)
        self.object = np.where(self._loose[:, None], self._kept, before).astype(np.float32)
        self._falling = np.where(self.object[:, 2] < before[:, 2] - 1e-5, self._falling, 0)
        # What holds the object up pulls at the hand.
        strain = np.where(held[:, None], carried - self.object, 0)
        return (hand - _GRIP * strain).astype(np.float32)

    def _fall(self, free: np.ndarray) -> np.ndarray:
        """How far objects fall that nothing holds, `[W]`; those in a level hole do not."""
        mouth = self.second + self.scene.part
        inside = self._mouth_known & (dot(self._find_tip(self.object) - mouth, self.scene.axis) > 0)
        falls = free & ~(inside & (np.abs(self.scene.axis[:, 2]) < 0.5))
        self._falling = np.where(falls, np.minimum(self._falling + _GRAVITY, _FALL), 0)
        return self._falling

    def _find_tip(self, place: np.ndarray) -> np.ndarray:
        return place + self.scene.tip

    def _find_support(self, before: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Height of objects that lie on the table, or on the top that they are over, `[W]`."""
        scene = self.scene
        top = self.second + scene.part
        level = np.abs((wanted - top)[:, :2]).max(axis=1)
        resting = top[:, 2] + self._rest
        # From below, nothing rises through a top.
        over = (scene.other == TOP) & (level < scene.clearance) & (before[:, 2] > resting - 0.02)
        return np.where(over, resting, self._rest)

    def _keep_apart(self, before: np.ndarray, wanted: np.ndarray) -> None:
        """Keep loose objects out of walls and of second objects, which they may move."""
        scene = self.scene
        self._kept = wanted
        if self._walled:
            self._kept = contact.keep_out_of_box(wanted, scene.wall, 0.02)
        if self._mouth_known.any():
            tip = self._find_tip(self._kept)
            kept = contact.keep_in_hole(
                tip,
                self._find_tip(before),
                self.second + scene.part,
                scene.axis,
                scene.clearance,
                scene.depth,
            )
            self._kept = np.where(self._mouth_known[:, None], self._kept + kept - tip, self._kept)
        if self._has_slider.any():
            tip = self._find_tip(self._kept)
            size = np.where(self._has_slider, scene.clearance, 0)
            travelled, kept = contact.push_along(
                tip,
                self.second + scene.part,
                scene.axis,
                size,
                self.second_travelled,
                scene.depth,
                scene.yielding,
            )
            self.second_travelled = np.where(self._has_slider, travelled, 0).astype(np.float32)
            self.second = self.layout.second + self.second_travelled[:, None] * scene.axis
            self._kept = np.where(self._has_slider[:, None], self._kept + kept - tip, self._kept)

    def judge(self) -> np.ndarray:
        """Whether the tasks stand solved, by where things are and what the hand holds, `[W]`."""
        scene, layout = self.scene, self.layout
        goal = layout.goal
        tip = self._find_tip(self.object) - self.second - scene.part
        along = dot(tip, scene.axis)
        across = np.sqrt(np.maximum(dot(tip, tip) - along * along, 0))
        asked = scene.share * scene.depth
        verdicts = np.empty((6, len(scene)), bool)
        verdicts[HAND_THERE] = measure(self.hand - goal) < scene.tolerance
        verdicts[TRAVELLED] = self.travelled > scene.share * scene.travel
        verdicts[OBJECT_THERE] = measure(self.object - goal) < scene.tolerance
        verdicts[SECOND_TRAVELLED] = self.second_travelled > asked
        verdicts[INSIDE] = (along > asked) & (across <= scene.clearance + 1e-3)
        verdicts[OUTSIDE] = along < -asked
        done = verdicts[scene.aim, np.arange(len(scene))]
        return done & ~(scene.let_go & (self.held | (self._falling > 0)))

    def _look(self) -> np.ndarray:
        """What is seen of this instant, `[W, 18]`."""
        scene, seen = self.scene, np.zeros((len(self.scene), 18), np.float32)
        seen[:, 0:3], seen[:, 3] = self.hand, self.gripper
        there = (np.abs(self.layout.object).sum(axis=1) > 0)[:, None]
        seen[:, 4:7] = self.object
        seen[:, 7:11] = self._find_turns() * there
        there = (scene.other > 0)[:, None]
        seen[:, 11:14] = self.second * there
        seen[:, 14:18] = scene.second_turn * there
        return seen

    def _find_turns(self) -> np.ndarray:
        """Orientations of first objects: hinges turn about their axes, `[W, 4]`."""
        scene = self.scene
        half = (self.travelled / (2 * scene.radius)).astype(np.float64)[:, None]
        axis = np.cross(scene.arm, scene.tangent)
        turned = np.concatenate([np.cos(half), np.sin(half) * axis], axis=1)
        return np.where((scene.body == HINGE)[:, None], turned, scene.first_turn)

    def _join(self, current: np.ndarray, before: np.ndarray) -> np.ndarray:
        goal = self.layout.goal * self.scene.goal_seen[:, None]
        return np.concatenate([current, before, goal], axis=1).astype(np.float32)
