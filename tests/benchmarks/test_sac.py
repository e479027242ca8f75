"""Population SAC beside Stable-Baselines3's, at a size of seconds."""

import numpy as np
import pytest
from benchmarks.experiments.sac import SACBenchmarkConfig, run_sac

pytest.importorskip("stable_baselines3")


def test_both_are_trained_and_timed():
    config = SACBenchmarkConfig(
        num_seeds=2, num_steps=1_400, num_agents=(1, 2), num_updates=2, repeats=1
    )
    said = []
    result = run_sac(config, said.append)
    assert len(said) == 4
    # A pendulum's episode of 200 steps costs 2,000 at most; nothing is upright after 400 updates.
    for returns in (result["returns"]["population"], result["returns"]["stable_baselines3"]):
        assert len(returns) == 2
        assert all(-2_000 < value < 0 for value in returns)
    assert result["returns"]["difference"] == pytest.approx(
        np.mean(result["returns"]["population"]) - np.mean(result["returns"]["stable_baselines3"])
    )
    speed = result["updates_per_second"]
    assert set(speed["rates"]) == {"population of 1", "population of 2", "stable_baselines3"}
    assert speed["ratio_to_stable_baselines3"]["stable_baselines3"] == 1
    assert all(rate > 0 for rate in speed["rates"].values())
