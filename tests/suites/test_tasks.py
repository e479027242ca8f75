import pytest

from makeanagent.errors import InputError
from makeanagent.suites import find_suite
from makeanagent.suites.gymnasium import GymnasiumSuite, GymnasiumTask
from makeanagent.suites.metaworld import SEEN_TASKS, UNSEEN_TASKS
from makeanagent.suites.tasks import expand_tasks

REACHER = GymnasiumSuite(
    (GymnasiumTask(env_id="Reacher-v5"), GymnasiumTask(env_id="Reacher-v5", name="mirrored"))
)


def test_groups_names_and_all_of_metaworld():
    suite = find_suite("metaworld")
    assert expand_tasks(suite, ["seen"]) == SEEN_TASKS
    assert expand_tasks(suite, ["seen", "unseen"]) == SEEN_TASKS + UNSEEN_TASKS
    assert expand_tasks(suite, ["all"]) == suite.tasks()
    assert expand_tasks(suite, ["door-close", "door-open-v3"]) == ("door-close-v3", "door-open-v3")


def test_a_task_comes_once():
    suite = find_suite("metaworld")
    assert expand_tasks(suite, ["reach-v3", "seen", "reach"])[0] == "reach-v3"
    assert len(expand_tasks(suite, ["reach-v3", "seen", "reach"])) == len(SEEN_TASKS)


def test_without_groups_seen_means_all():
    assert expand_tasks(REACHER, ["seen"]) == expand_tasks(REACHER, ["all"]) == REACHER.tasks()
    assert expand_tasks(REACHER, ["mirrored"]) == ("mirrored",)


@pytest.mark.parametrize("names", [["unseen"], ["mirrored", "nothing"]])
def test_unknown_names_are_refused(names):
    with pytest.raises(InputError, match=f"^gymnasium/{names[-1]}: no such task"):
        expand_tasks(REACHER, names)


@pytest.mark.parametrize(("suite", "names"), [(REACHER, []), (GymnasiumSuite(), ["seen"])])
def test_no_task_at_all_is_refused(suite, names):
    with pytest.raises(InputError, match="^gymnasium: no task is given"):
        expand_tasks(suite, names)
