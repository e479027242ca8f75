import math

import pytest
import torch

from makeanagent.models.behavior import BehaviorConfig, BehaviorEmbedding, contrastive_loss

CONFIG = BehaviorConfig(hidden_dim=32, embedding_dim=8)


def test_contrastive_loss_is_infonce_by_hand():
    similarity = torch.tensor([[2.0, 0.0], [1.0, 1.0]])
    # Row 0: log(e^2 + e^0) - 2; row 1: log(2 e) - 1 = log 2.
    expected = (math.log(math.exp(2) + 1) - 2 + math.log(2)) / 2
    assert contrastive_loss(similarity).item() == pytest.approx(expected, rel=1e-5)


@torch.no_grad()
def test_conditions_have_unit_scale_and_the_asked_width():
    embedding = BehaviorEmbedding(20, 6, CONFIG)
    behavior, outcome = torch.randn(5, 1, 20), torch.randn(5, 1, 6)
    assert embedding.condition(behavior, outcome, "hv").shape == (5, 16)
    h = embedding.condition(behavior, outcome, "h")
    assert h.shape == (5, 8)
    torch.testing.assert_close(h.square().mean(dim=1), torch.ones(5))
    v = embedding.condition(behavior, outcome, "v")
    both = embedding.condition(behavior, outcome, "hv")
    torch.testing.assert_close(both, torch.cat([h, v], dim=1))


@torch.no_grad()
def test_the_embeddings_of_all_segments_go_together():
    embedding = BehaviorEmbedding(20, 6, CONFIG)
    behavior, outcome = torch.randn(5, 3, 20), torch.randn(5, 3, 6)
    together = embedding.condition(behavior, outcome)
    apart = [
        embedding.condition(behavior[:, [segment]], outcome[:, [segment]]) for segment in range(3)
    ]
    torch.testing.assert_close(together, torch.cat(apart, dim=1))


@torch.no_grad()
def test_normalisers_are_of_single_segments():
    embedding = BehaviorEmbedding(20, 6, CONFIG)
    behavior, outcome = torch.randn(50, 3, 20), 5 + torch.randn(50, 3, 6)
    embedding.fit_normalizers(behavior, outcome)
    torch.testing.assert_close(embedding.outcome_mean, outcome.view(150, 6).mean(dim=0))
    torch.testing.assert_close(embedding.behavior_std, behavior.view(150, 20).std(dim=0) + 0.05)


@torch.no_grad()
def test_similarity_is_bilinear_in_the_metric():
    embedding = BehaviorEmbedding(20, 6, CONFIG)
    h, v = torch.randn(3, 8), torch.randn(3, 8)
    expected = sum(h[0, i] * embedding.metric[i, j] * v[2, j] for i in range(8) for j in range(8))
    torch.testing.assert_close(embedding.similarity(h, v)[0, 2], expected)


def test_training_finds_the_pairs():
    torch.manual_seed(0)
    outcome = torch.randn(64, 6)
    behavior = torch.cat([outcome, torch.randn(64, 14)], dim=1)
    embedding = BehaviorEmbedding(20, 6, CONFIG)
    embedding.fit_normalizers(behavior, outcome)
    optimizer = torch.optim.Adam(embedding.parameters(), 3e-3)
    for _ in range(200):
        loss = contrastive_loss(embedding.similarity(*embedding(behavior, outcome)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    best = embedding.similarity(*embedding(behavior, outcome)).argmax(dim=1)
    assert (best == torch.arange(64)).float().mean() > 0.9
