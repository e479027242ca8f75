"""What autoencoder and embedding keep, against arithmetic on data made by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from benchmarks.experiments.representation import measure_retrieval, run_representation
from tests.benchmarks.toy import SPEC, ToySuite, number_policies, solved

from makeanagent.parallel import open_pool
from makeanagent.suites import layouts


def make_data(**values):
    """Twelve policies of two tasks; the last two of each task's six are of held-out runs."""
    task = torch.arange(12) // 6
    place = torch.arange(12) % 6
    return SimpleNamespace(
        spec=SPEC,
        tasks=("a", "b"),
        task=task,
        held_out=place >= 4,
        parameters=torch.from_numpy(number_policies(12)),
        rollouts=SimpleNamespace(states=torch.ones(12, 3, 1)),
        **values,
    )


class Retrieval:
    """Similarities made by hand."""

    def __init__(self, scores):
        self.scores = torch.tensor(scores)

    def __call__(self, behavior, outcome):
        self.read = behavior.flatten().tolist()
        return behavior, outcome

    def similarity(self, h, v):
        return self.scores


def make_prompts():
    return {
        "demonstrations": SimpleNamespace(
            behavior=torch.arange(6.0)[:, None],
            outcome=torch.arange(6.0)[:, None],
            task=torch.tensor([0, 0, 0, 1, 1, 1]),
        ),
        "demonstrations_held_out": torch.tensor([False, True, True, False, True, True]),
    }


def test_retrieval_ranks_held_out_prompts_among_each_other():
    # Of the four held-out ones, of tasks 0, 0, 1, 1: the first finds itself, the second its own
    # task's other, the third another task's, the last itself.
    scores = [[9.0, 1, 1, 1], [9, 8, 1, 1], [9, 1, 8, 1], [1, 1, 1, 9]]
    embedding = Retrieval(scores)
    found = measure_retrieval(make_data(**make_prompts()), embedding)
    assert embedding.read == [1, 2, 4, 5]
    assert found["num_prompts"] == 4
    assert found["own_outcome_top_1"] == pytest.approx(2 / 4)
    assert found["own_task_top_1"] == pytest.approx(3 / 4)
    assert found["own_outcome_top_5"] == 1
    assert found["chance_own_outcome_top_1"] == 1 / 4


def test_decoded_policies_stand_beside_the_originals():
    class Losing:
        """Decodes every policy as its neighbour."""

        def encode(self, parameters):
            return parameters

        def decode(self, latents):
            return latents + torch.from_numpy(number_policies(2)[1])

    embedding = Retrieval(np.eye(4).tolist())
    with open_pool(1) as pool:
        result = run_representation(
            pool, ToySuite(), make_data(**make_prompts()), Losing(), embedding, 2, 4
        )
    rows = {(row["task"], row["runs"]): row for row in result["autoencoder"]}
    assert len(rows) == 4
    # Held-out runs are the last two of each task; of training runs the first and the last are seen.
    where = list(layouts.VALIDATION[:4])
    for key, numbers in {("a", "held-out"): (4, 5), ("b", "training"): (6, 9)}.items():
        assert rows[key]["success_original"] == np.mean(solved(numbers, where))
        # Not quite the next number, since biases add and actions are squashed: nearly.
        assert rows[key]["action_rmse"] == pytest.approx(0.01, rel=0.02)
        assert rows[key]["success_decoded"] == np.mean(solved([n + 1 for n in numbers], where))
    losses = [
        row["success_original"] - row["success_decoded"]
        for (_, runs), row in rows.items()
        if runs == "held-out"
    ]
    assert result["largest_success_loss"]["held-out"] == max(losses)
