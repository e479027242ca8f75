"""How latents are paired with prompts while the denoiser is trained."""

import torch

from makeanagent.training.diffusion import _Pairs


def make_pairs(first: list[int], count: list[int]) -> _Pairs:
    """Two tasks of two policies; conditions are -1 for rollouts, else demonstration numbers."""
    num_demonstrations = sum(count)
    return _Pairs(
        latents=torch.arange(4.0)[:, None, None],
        task=torch.tensor([0, 0, 1, 1]),
        rollout_conditions=torch.full((4, 1), -1.0),
        rollout_states=torch.full((4, 1, 1), -1.0),
        demonstration_conditions=torch.arange(float(num_demonstrations))[:, None],
        demonstration_states=torch.arange(float(num_demonstrations))[:, None, None],
        first=torch.tensor(first),
        count=torch.tensor(count),
    )


def draw(pairs: _Pairs, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    rows = torch.arange(4).repeat(500)
    latents, condition, states = pairs.draw(rows, share, torch.Generator().manual_seed(0))
    assert torch.equal(latents.flatten(), rows.float())
    assert torch.equal(condition, states[:, 0])
    return rows, condition[:, 0]


def test_demonstrations_are_of_the_policys_own_task():
    rows, condition = draw(make_pairs([0, 3], [3, 2]), share=0.5)
    assert set(condition[rows < 2].tolist()) == {-1.0, 0.0, 1.0, 2.0}
    assert set(condition[rows >= 2].tolist()) == {-1.0, 3.0, 4.0}
    assert abs((condition >= 0).float().mean() - 0.5) < 0.05


def test_share_is_kept_at_its_ends():
    assert (draw(make_pairs([0, 3], [3, 2]), share=0.0)[1] < 0).all()
    assert (draw(make_pairs([0, 3], [3, 2]), share=1.0)[1] >= 0).all()


def test_rollouts_stand_in_where_a_task_has_no_demonstration():
    rows, condition = draw(make_pairs([0, 2], [2, 0]), share=1.0)
    assert (condition[rows >= 2] == -1).all()
    assert (condition[rows < 2] >= 0).all()
    assert (draw(make_pairs([0, 0], [0, 0]), share=1.0)[1] == -1).all()
