"""Forms: spaces of the same widths whose numbers mean something else."""

from makeanagent.errors import InputError
from makeanagent.suites.registry import find_suite
from makeanagent.trajectories.space import Space
from makeanagent.trajectories.trajectory import Trajectory


def require_form(trajectory: Trajectory, suite_name: str, space: Space | None) -> None:
    """Refuse a demonstration of a task whose space has another form than a generator's.

    Where the suite has one form alone, or the demonstration is of another suite or says of none,
    nobody can tell.

    Args:
        trajectory: the demonstration.
        suite_name: of the generator's training tasks.
        space: of these.

    Raises:
        InputError: it is of another form, or of a task that the suite does not have.
    """
    name, _, task = (trajectory.env_id or "").partition("/")
    if space is None or not space.form or name != suite_name:
        return
    form = find_suite(suite_name).space(task).form
    if form != space.form:
        raise InputError(
            f"{trajectory.label}: of {trajectory.env_id}, whose form is '{form}'; the generator's"
            f" is '{space.form}'"
        )
