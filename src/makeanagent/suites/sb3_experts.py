"""Experts of Stable-Baselines3, read without running what their files hold."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box

from makeanagent.artifacts import describe_error
from makeanagent.errors import InputError
from makeanagent.suites.suite import Act

_STATISTICS = ("mean", "var")


def load_sb3_policy(path: Path, observations: Box, actions: Box) -> Act:
    """The deterministic policy in a file of Stable-Baselines3's `model.save`.

    Stable-Baselines3's own `load` unpickles, which runs whatever code a file holds. The network can
    be built without: from the readable part of the file's description and the task's spaces.

    Args:
        path: of the file; statistics of VecNormalize, `<name>.vecnormalize.npz`, may lie beside it.
        observations: the task's observation space.
        actions: the task's action space.

    Raises:
        InputError: it cannot be read, is of other spaces than the task's, or was trained on
            normalised observations and nothing says how.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        import torch
        from stable_baselines3.common.policies import ActorCriticPolicy
        from stable_baselines3.sac.policies import SACPolicy
        from stable_baselines3.td3.policies import TD3Policy

        from makeanagent.policies.sb3 import GeneratedSACPolicy
    except ImportError:
        raise InputError(
            f"{path}: needs Stable-Baselines3: pip install 'makeanagent[sb3]'"
        ) from None
    kinds = {
        "stable_baselines3.common.policies": ActorCriticPolicy,  # PPO and A2C
        "stable_baselines3.sac.policies": SACPolicy,
        "stable_baselines3.td3.policies": TD3Policy,  # also DDPG
        "makeanagent.policies.sb3": GeneratedSACPolicy,  # a policy of ours, exported or fine-tuned
    }
    try:
        with zipfile.ZipFile(path) as archive:
            data = json.loads(archive.read("data"))
            _check_space(path, data.get("action_space"), actions)
            with archive.open("policy.pth") as stream:
                parameters = torch.load(stream, map_location="cpu", weights_only=True)
        kind = kinds[data["policy_class"]["__module__"]]
        options = {
            key: value
            for key, value in data["policy_kwargs"].items()
            if not key.startswith((":", "optimizer_"))
        }
        if "activation_fn" in options:  # "<class 'torch.nn.modules.activation.ELU'>"
            activation = options["activation_fn"].rsplit(".", 1)[-1].removesuffix("'>")
            options["activation_fn"] = getattr(torch.nn, activation)
        if kind is ActorCriticPolicy:
            options["use_sde"] = data["use_sde"]
        policy = kind(observations, actions, lambda _: 0.0, **options)
        policy.load_state_dict(parameters)
    except InputError:
        raise
    except Exception as error:  # A file that is something else can fail in many ways.
        raise InputError(
            f"{path}: not readable as a SAC, TD3, DDPG, PPO or A2C model of Stable-Baselines3"
            f" for this task: {describe_error(error)}"
        ) from None

    normalize = _find_statistics(path, observations)

    def act(observation: np.ndarray) -> np.ndarray:
        return policy.predict(normalize(observation), deterministic=True)[0]

    return act


def _check_space(path: Path, found: Any, actions: Box) -> None:  # noqa: ANN401
    """Refuse an expert whose actions were between other bounds than the task's.

    Such as one that was trained behind a wrapper: its actions would be of another size.
    """
    if not isinstance(found, dict):
        return
    for name, bound in (("low", actions.low), ("high", actions.high)):
        # Beside the pickled bounds, which are not read, their text: `[-1. -1.]`.
        text = found.get(name)
        if not isinstance(text, str):
            continue
        try:
            values = np.array(text.strip("[]").split(), float)
        except ValueError:
            continue
        if values.shape == bound.shape and not np.allclose(values, bound, rtol=1e-3):
            raise InputError(
                f"{path}: was trained with actions whose {name} is {text}; the task's is {bound}."
                " Give the task the wrapper that the expert was trained behind"
            )


def _find_statistics(path: Path, observations: Box) -> Callable[[np.ndarray], np.ndarray]:
    """What brings observations to those that the expert was trained on.

    VecNormalize keeps its statistics in a pickle, which is not read: a line of Python writes them
    as `.npz`.

    Raises:
        InputError: there is such a pickle beside the expert alone, or the statistics do not serve.
    """
    statistics = path.with_suffix(".vecnormalize.npz")
    if statistics.is_file():
        try:
            with np.load(statistics, allow_pickle=False) as archive:
                values = {name: np.asarray(archive[name], float) for name in _STATISTICS}
                epsilon, limit = (
                    float(archive[name]) if name in archive.files else default
                    for name, default in (("epsilon", 1e-8), ("clip_obs", 10.0))
                )
        except Exception as error:  # A file that is something else can fail in many ways.
            raise InputError(
                f"{statistics}: not readable as VecNormalize's statistics, `mean` and `var`"
                f" ({describe_error(error)})"
            ) from None
        if any(value.shape != observations.shape for value in values.values()):
            raise InputError(
                f"{statistics}: `mean` and `var` must be of shape {observations.shape}, as"
                " observations are"
            )
        mean, std = values["mean"], np.sqrt(values["var"] + epsilon)
        return lambda observation: np.clip((observation - mean) / std, -limit, limit)
    pickles = sorted(file.name for file in path.parent.glob("*vecnormalize*.pkl"))
    if pickles:
        raise InputError(
            f"{path}: {pickles[0]} lies beside it: an expert of normalised observations needs its"
            f" statistics as {statistics.name}; with v = VecNormalize.load(...):"
            f" np.savez('{statistics.name}', mean=v.obs_rms.mean, var=v.obs_rms.var,"
            " epsilon=v.epsilon, clip_obs=v.clip_obs)"
        )
    return lambda observation: observation
