"""What is drawn, read back from the figures: marks stand where the results are."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_hex
from tests.evaluation.made_up import CHOSEN, CHOSEN_SUCCESS, MADE_UP

from makeanagent.evaluation.figures import (
    FAILURE,
    GOAL,
    INK,
    LINE,
    OBJECT,
    SUCCESS,
    PathPanel,
    draw_paths,
    draw_policy_success,
    draw_success_grid,
)
from makeanagent.trajectories import Trajectory

# Successes and rollouts of policies 0 to 6 on held-out layouts, counted in the made-up results.
RATES = np.array([2 / 6, 4 / 6, 1 / 2, 3 / 6, 0 / 2, 0 / 6, 1 / 6])


def marks(axes, marker):
    """Places of a kind of marks, as rows of x and y."""
    return [line.get_xydata() for line in axes.lines if line.get_marker() == marker]


def test_marks_of_policies_stand_at_their_rates():
    (axes,) = draw_policy_success(MADE_UP).axes
    (others,), (chosen,) = marks(axes, "o"), marks(axes, "D")
    np.testing.assert_allclose(others, [[RATES[row], row] for row in (2, 4)])
    np.testing.assert_allclose(chosen, [[RATES[row], row] for row in sorted(CHOSEN)])
    # Each within its bar.
    (bars,) = (np.array(one.get_segments()) for one in axes.collections)
    np.testing.assert_array_equal(bars[:, 0, 1], np.arange(7))
    assert (bars[:, 0, 0] <= RATES).all()
    assert (bars[:, 1, 0] >= RATES).all()


def test_line_and_band_are_of_the_mean_without_selection():
    (axes,) = draw_policy_success(MADE_UP).axes
    (mean,) = (line for line in axes.lines if line.get_linestyle() == "--")
    assert list(mean.get_xdata()) == [0.41, 0.41]
    band = axes.patches[0].get_bbox()
    assert (band.x0, band.x1) == pytest.approx((0.31, 0.51))


def test_cells_of_the_grid_have_the_colours_of_their_outcomes():
    (axes,) = draw_success_grid(MADE_UP).axes
    found = {}
    for collection in axes.collections:
        color = to_hex(collection.get_facecolor()[0]) if len(collection.get_paths()) else None
        for path in collection.get_paths():
            x, y = path.vertices.min(axis=0)
            found[int(y), float(round(x - 0.07, 6))] = color
    held_out = MADE_UP["held_out"]
    on_held_out = np.full((7, 6), -1)
    for row, (places, success) in enumerate(
        zip(held_out["first_sample_layouts"], held_out["first_sample_success"], strict=True)
    ):
        on_held_out[row, np.array(places) - 100] = success
    on_held_out[CHOSEN] = CHOSEN_SUCCESS
    # Three layouts, a gap, four layouts, a gap, six layouts.
    groups = (0.0, MADE_UP["paper"]["success"]), (4.5, held_out["selection_success"])
    expected, colors = {}, {1: SUCCESS, 0: FAILURE, -1: LINE}
    for start, grid in (*groups, (10.0, on_held_out)):
        for (row, column), outcome in np.ndenumerate(np.array(grid)):
            expected[row, start + column] = colors[int(outcome)]
    assert found == expected
    ranks = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert ranks == {f"chosen, rank {rank + 1}": row + 0.5 for rank, row in enumerate(CHOSEN)}


def make_trajectory(success):
    """Five steps along x, the whole set off by its outcome so that they can be told apart."""
    observations = np.zeros((6, 1))
    observations[:, 0] = np.arange(6) + 10 * success
    flags = np.array([False, False, success, False, False])
    return Trajectory(observations=observations, actions=np.zeros((5, 1)), success=flags)


class Traced:
    """A hand that moves along x, an object behind it, and a goal that the object is to reach."""

    def traces(self, task, observations):
        x = observations[:, 0]
        paths = {
            name: np.stack([x - lag, np.full_like(x, lag), 0 * x], 1)
            for name, lag in (("hand", 0), ("object", 1), ("goal", 2))
        }
        return paths


@pytest.fixture
def axes():
    panels = [
        PathPanel(title="shown", trajectories=[make_trajectory(True)], is_demonstration=True),
        PathPanel(title="played", trajectories=[make_trajectory(True), make_trajectory(False)]),
    ]
    return SimpleNamespace(
        **dict(zip(("shown", "played"), draw_paths(Traced(), "task", panels).axes, strict=True))
    )


def paths_by_color(axes):
    """Where drawn paths begin and end along x, by colour."""
    return {
        color: [
            tuple(line.get_xdata()[[0, -1]])
            for line in axes.lines
            if line.get_marker() == "None" and line.get_color() == color
        ]
        for color in (INK, SUCCESS, FAILURE, OBJECT)
    }


def test_paths_have_the_colours_of_their_outcomes(axes):
    # Success may come at any step, and need not last.
    assert paths_by_color(axes.shown) == {
        INK: [(10, 15)], SUCCESS: [], FAILURE: [], OBJECT: [(9, 14)],
    }  # fmt: skip
    assert paths_by_color(axes.played) == {
        INK: [], SUCCESS: [(10, 15)], FAILURE: [(0, 5)], OBJECT: [(9, 14), (-1, 4)],
    }  # fmt: skip


def test_starts_and_goals_are_marked(axes):
    assert [place.tolist() for (place,) in marks(axes.played, "o")] == [[10, 0], [0, 0]]
    assert [place.tolist() for (place,) in marks(axes.played, "s")] == [[9, 1], [-1, 1]]
    # A goal is where it is at the end.
    stars = [line for line in axes.played.lines if line.get_marker() == "*"]
    assert [line.get_xydata().tolist() for line in stars] == [[[13, 2]], [[3, 2]]]
    assert {line.get_color() for line in stars} == {GOAL}


class Lifted(Traced):
    """The same, seen from a side too."""

    def traces(self, task, observations):
        paths = super().traces(task, observations)
        return {name: path + path[:, :1] * [0, 0.1, 0.3] for name, path in paths.items()}


@pytest.mark.parametrize(("num_panels", "grid"), [(1, (1, 2)), (2, (2, 2)), (3, (2, 3))])
def test_titles_and_legend_stay_within_the_figure(num_panels, grid):
    panel = PathPanel(title="shown", trajectories=[make_trajectory(True), make_trajectory(False)])
    figure = draw_paths(
        Lifted(), "task", [replace(panel, is_demonstration=True), *[panel] * 2][:num_panels]
    )
    figure.canvas.draw()
    assert len(figure.axes) == grid[0] * grid[1]
    assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == grid
    for artist in (*figure.axes, *figure.legends):
        box = artist.get_tightbbox()
        assert -1 <= box.x0 <= box.x1 <= figure.bbox.width + 1, artist
        assert -1 <= box.y0 <= box.y1 <= figure.bbox.height + 1, artist
