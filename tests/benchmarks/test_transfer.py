"""Other arms and amounts: which cells there are, and what their page says of them."""

import numpy as np
import torch
from benchmarks.experiments import transfer
from benchmarks.experiments.transfer_cells import (
    LEARNED_AMOUNTS,
    NEW_AMOUNTS,
    TransferConfig,
    _Practised,
    list_training_tasks,
    plan_cells,
)
from benchmarks.experiments.transfer_page import write_transfer
from tests.tiny_reader import build, make_demonstration

from makeanagent.artifacts import describe_provenance
from makeanagent.models.practice import Practice, PracticeConfig
from makeanagent.suites.robosuite.ids import AMOUNTS, read_id
from makeanagent.suites.robosuite.judges import ANGLE_TOLERANCE, HEIGHT_TOLERANCE


def test_amounts_that_are_asked_are_not_met_by_those_that_were_learned():
    tolerances = {"lift": 100 * HEIGHT_TOLERANCE, "door": np.degrees(ANGLE_TOLERANCE)}
    for task, amounts in NEW_AMOUNTS.items():
        assert amounts
        assert set(amounts) < set(AMOUNTS[task][0])
        apart = np.abs(np.subtract.outer(amounts, LEARNED_AMOUNTS[task]))
        assert apart.min() > tolerances[task]
    learned = [read_id(task) for task in list_training_tasks()]
    assert {task.arm for task in learned} == {"panda"}
    assert all(task.randomized for task in learned)


def test_cells_differ_by_name_and_have_experts():
    config = TransferConfig()
    cells = plan_cells(2, config)
    assert len({cell.name for cell in cells}) == len(cells)
    assert {cell.seed for cell in cells if cell.method == "cloning_moved"} == {0}
    assert not any("panda" in cell.task and "kinova" in cell.task for cell in cells)
    assert "nut-round-kinova3" not in {cell.task for cell in cells}, "it has no expert to prompt"


def cell(method, task, seed, success):
    return {
        "part": "arms",
        "method": method,
        "task": task,
        "seed": seed,
        "generator_sha256": f"{seed}" * 64,
        "success": success,
        "provenance": describe_provenance(),
    }


def test_the_page_shows_rates_over_seeds():
    cells = [
        cell("unguided", "lift-sawyer", 0, [[1, 1], [1, 1]]),
        cell("unguided", "lift-sawyer", 1, [[1, 1], [0, 0]]),
        cell("cloning_moved", "lift-sawyer", 0, [[0, 0], [0, 1]]),
    ]
    result = transfer.summarize_transfer(cells)
    assert result["rows"][0]["num_rollouts"] == 8
    options = {"seeds": 2, "cloning_seeds": 1, "parts": ("arms",), "num_prompts": 2}
    result |= {
        "settings": transfer.resolve_settings(**options),
        "provenance": describe_provenance(),
        "note": "",
    }
    page = write_transfer(result, transfer.resolve_settings)
    assert "| lift | sawyer | 0.75 ± 0.25 | 0.25 |" in page
    assert "| lift | panda | – | – |" in page


def test_the_nearest_training_task_gives_its_own_policy():
    generator = build()
    shown = [make_demonstration(seed=seed) for seed in range(3)]
    conditions = generator.embed(shown)
    shape = generator.autoencoder.latent_shape
    practice = Practice(
        conditions.shape[1], shape, PracticeConfig(num_tasks=3, num_demonstrations=1)
    )
    latents = torch.randn(3, *shape)
    practice.fit(conditions[:, None], latents)
    generator.practice = practice
    found = _Practised(generator).generate(list(reversed(shown)))
    expected = generator.autoencoder.decode(latents.flip(0))
    torch.testing.assert_close(found.parameters, expected)
    own = _Practised(generator, 1).generate(shown).parameters
    torch.testing.assert_close(own, generator.autoencoder.decode(latents[[1, 1, 1]]))
    assert not torch.allclose(own, expected)
