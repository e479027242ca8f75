"""What observations and actions of the two forms are."""

from makeanagent.suites.robosuite.ids import JOINT, TaskId
from makeanagent.trajectories.space import Space

FULL_STROKE = 0.08
"Metres between the fingers' pads at an opening of 1, whatever the gripper."
_END_EFFECTOR_SPACE = Space(
    observation_dim=41,
    # Translation 3, rotation 3, one that moves nothing, gripper: as many as in the joint form.
    action_dim=8,
    form="end effector",
    positions=(0, 16, 19),
    names=("hand", "object", "second object"),
    displacement=0,
)


def find_space(task: TaskId) -> Space:
    """Of a form: the same for every task, and in the end-effector form for every arm."""
    if task.form == JOINT:
        return Space(observation_dim=41, action_dim=8, form=f"joints of the {task.arm}")
    return _END_EFFECTOR_SPACE
