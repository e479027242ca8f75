"""`examples/sb3_expert.md`: its snippets run on a barely trained model, which is then an expert."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from makeanagent.suites import find_suite

sb3 = pytest.importorskip("stable_baselines3", reason="needs the extra sb3")

from stable_baselines3.common.env_util import make_vec_env  # noqa: E402

PAGE = Path(__file__).parents[2] / "examples" / "sb3_expert.md"
TRAIN, SUITE, STATISTICS = re.findall(
    r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE
)


def run(snippet, folder):
    subprocess.run([sys.executable, "-c", snippet], cwd=folder, check=True)


def test_the_model_is_the_suites_expert(tmp_path):
    # As long as it takes to have one.
    assert "learn(6000)" in TRAIN
    run(TRAIN.replace("learn(6000)", "learn(20)"), tmp_path)
    (tmp_path / "pendulum_suite.py").write_text(SUITE)
    suite = find_suite(str(tmp_path / "pendulum_suite.py"))
    observations = np.random.default_rng(0).uniform(-1, 1, (5, 3))
    model = sb3.SAC.load(tmp_path / "pendulum.zip", device="cpu")
    theirs, _ = model.predict(observations.astype(np.float32), deterministic=True)
    expert = suite.expert("Pendulum-v1")
    np.testing.assert_allclose([expert(row) for row in observations], theirs / 2, atol=1e-6)

    env = suite.make("Pendulum-v1")
    env.reset(0)
    assert env.step(np.zeros(1)).success is False

    # Beside a pickle of VecNormalize it is none, until the last snippet has read that.
    venv = sb3.common.vec_env.VecNormalize(make_vec_env("Pendulum-v1", seed=0), epsilon=0.5)
    venv.obs_rms.update(4 * observations + 1)
    venv.save(str(tmp_path / "vecnormalize.pkl"))
    with pytest.raises(ValueError, match=r"vecnormalize.pkl lies beside"):
        suite.expert("Pendulum-v1")
    run(STATISTICS, tmp_path)
    seen = venv.normalize_obs(observations.astype(np.float32))
    theirs, _ = model.predict(seen.astype(np.float32), deterministic=True)
    expert = suite.expert("Pendulum-v1")
    np.testing.assert_allclose([expert(row) for row in observations], theirs / 2, atol=1e-5)
