"""What `unseen` sums up, against arithmetic on cells made by hand."""

import numpy as np
import pytest
from benchmarks.experiments import unseen_summary
from benchmarks.experiments.unseen_page import write_methods, write_rivalry

SETTINGS = {"sizes": {"num_chosen": 5, "num_tried": 100}}


def make_cell(method, task, seed, rates, **values):
    """A cell whose policies succeed on so many of five layouts."""
    success = None if rates is None else (np.arange(5) < 5 * np.array(rates)[:, None]).tolist()
    return {
        "part": "core",
        "method": method,
        "task": f"suite/{task}",
        "seed": seed,
        "curve": None,
        "seen": False,
        "success": success,
        "reason": "cannot be",
        "num_prompts": 2 if rates is None else len(rates),
        "num_policies": 2 if rates is None else len(rates),
        "seconds": 1.0,
        **values,
    }


def compare(cells):
    methods = dict.fromkeys(cell["method"] for cell in cells)
    group = {name: [cell for cell in cells if cell["method"] == name] for name in methods}
    return unseen_summary._compare_with_rival(group, False)


def test_wins_are_counted_against_the_strongest_rival_prompt_by_prompt():
    cells = [
        # Better, worse, equal and worse again, by prompts 0.2, 0.4; -0.4, 0; 0.2, -0.2; -0.2, -0.4.
        make_cell("guided", "a", 0, [0.8, 1.0]),
        make_cell("guided", "b", 0, [0.6, 0.4]),
        make_cell("guided", "c", 0, [1.0, 0.8]),
        make_cell("guided", "d", 0, [0.2, 0.2]),
        make_cell("cloning_moved", "a", 0, [0.6, 0.6]),
        make_cell("cloning_moved", "b", 0, [1.0, 0.4]),
        make_cell("cloning_moved", "c", 0, [0.8, 1.0]),
        make_cell("cloning_moved", "d", 0, [0.4, 0.6]),
        *(make_cell("cloning", task, 0, [0.2, 0.4]) for task in "abcd"),
        # Better than all, and no rivals: they are the generator's own.
        *(make_cell("selected", task, 0, [1.0, 1.0]) for task in "abcd"),
        *(make_cell("shuffled", task, 0, [1.0, 1.0]) for task in "abcd"),
    ]
    found = compare(cells)
    assert found["rival"] == "cloning_moved"
    assert [found[name] for name in ("wins", "losses", "ties")] == [1, 2, 1]
    # On a each prompt is better, on d worse; on b and c two prompts may give zero.
    assert (found["clear_wins"], found["clear_losses"]) == (1, 1)
    rows = {row["task"]: row for row in found["tasks"]}
    assert rows["a"]["mean"] == pytest.approx(0.3)
    assert rows["a"]["interval_95"] == pytest.approx([0.2, 0.4])
    assert rows["b"]["interval_95"] == pytest.approx([-0.4, 0.0])
    # (0.2 + 0.4 - 0.4 + 0 + 0.2 - 0.2 - 0.2 - 0.4) / 8
    assert found["difference"]["mean"] == pytest.approx(-0.4 / 8)
    low, high = found["difference"]["interval_95"]
    assert low < 0 < high
    text = write_rivalry({"against_rival": [found], "settings": SETTINGS})
    assert "is behaviour cloning from scratch, with the moves of guidance: " in text
    assert "difference is -0.05 (-" in text and "over one training seed" in text
    assert "better on 1 of 4 tasks, worse on 2, equal on 1;" in text


def test_a_rival_is_compared_on_the_seeds_and_tasks_that_both_have():
    cells = [
        *(make_cell("guided", "a", seed, [rate, rate]) for seed, rate in enumerate([0.2, 1.0])),
        *(make_cell("guided", "b", seed, [0.6, 0.6]) for seed in (0, 1)),
        # Its one seed is an easy one: its success is higher than cloning's, but less near to what
        # guided generation has there.
        *(make_cell("gaussian", task, 1, [0.8, 0.8]) for task in "ab"),
        *(make_cell("cloning", task, seed, [0.6, 0.6]) for task in "ab" for seed in (0, 1)),
        # Strong where it could be made, and not made everywhere.
        make_cell("average_2", "a", 0, [1.0, 1.0]),
        make_cell("average_2", "b", 0, None),
    ]
    found = compare(cells)
    assert (found["rival"], found["seeds"], found["num_tasks"]) == ("gaussian", [1], 2)
    assert found["difference"]["mean"] == pytest.approx(0.0)
    cells = [cell for cell in cells if cell["method"] != "gaussian"]
    found = compare(cells)
    assert (found["rival"], found["seeds"], found["num_tasks"]) == ("cloning", [0, 1], 2)
    assert found["difference"]["mean"] == pytest.approx(0.0)
    assert compare([make_cell("guided", "a", 0, [1.0])]) is None


def test_differences_draw_seeds_too():
    cells = [
        make_cell(method, "a", seed, [rate] * 30)
        for method, rates in (("guided", (0.2, 1.0)), ("cloning", (0.4, 0.4)))
        for seed, rate in enumerate(rates)
    ]
    found = compare(cells)
    # Seeds differ by -0.2 and 0.6, all policies of a seed alike.
    assert found["difference"]["interval_95"] == pytest.approx([-0.2, 0.6])


def test_intervals_know_that_seeds_differ():
    cells = [
        make_cell("unguided", task, seed, [rate] * 10)
        for task in "ab"
        for seed, rate in enumerate([0.6, 0.4, 0.8])
    ]
    mean = unseen_summary._describe_method(cells, "unguided", False)
    assert mean["mean"] == pytest.approx(0.6)
    # All three draws are the lowest or the highest seed once in 27 times each: 3.7%.
    assert mean["interval_95"] == pytest.approx([0.4, 0.8], abs=0.07)
    row = unseen_summary._describe_task([cell for cell in cells if cell["task"] == "suite/a"])
    assert row["interval_95"] == pytest.approx([0.4, 0.8], abs=0.07)


def test_a_method_is_measured_on_the_tasks_of_all_its_seeds():
    cells = [
        make_cell("average_16", "a", 0, [0.4, 0.4]),
        make_cell("average_16", "a", 1, [0.6, 0.6]),
        make_cell("average_16", "b", 0, [1.0, 1.0]),
        make_cell("average_16", "b", 1, None),
        make_cell("average_16", "a", 2, None),
        make_cell("average_16", "b", 2, None),
    ]
    mean = unseen_summary._describe_method(cells, "average_16", False)
    assert (mean["mean"], mean["num_tasks"]) == (pytest.approx(0.5), 1)
    assert mean["seeds"] == {"0": pytest.approx(0.4), "1": pytest.approx(0.6)}
    assert sorted(mean["not_made"]) == ["suite/a-2", "suite/b-1", "suite/b-2"]


def test_what_a_choice_took_is_read_from_its_cell():
    tried = {"selection_success": np.zeros((100, 5)).tolist(), "num_prompts": 10}
    cells = [make_cell("selected", "a", 0, [1.0] * 5, **tried)]
    mean = unseen_summary._describe_method(cells, "selected", False)
    assert (mean["num_demonstrations"], mean["num_rollouts"]) == (10, 500)
    alone = unseen_summary._describe_method([make_cell("guided", "a", 0, [1.0])], "guided", False)
    assert (alone["num_demonstrations"], alone["num_rollouts"]) == (1, 0)
    table = write_methods({"means": [mean, alone], "settings": SETTINGS})
    assert "| guided, top 5 of 100 by rollouts on other layouts | 10, 500 | 1 |" in table
    assert "| generated, guided | 1, 0 | 1 |" in table


def test_guidance_is_timed_beside_the_same_without():
    cells = [
        make_cell("unguided", "a", 0, [1.0, 1.0], seconds=1.0),
        make_cell("guided", "a", 0, [1.0, 1.0], seconds=1.5),
        make_cell("guided", "b", 0, [1.0, 1.0], seconds=9.0),
    ]
    # Half a second for two policies.
    assert unseen_summary._measure_guidance(cells) == pytest.approx(250)
