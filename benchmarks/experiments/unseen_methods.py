"""From demonstrations to policies: the ways that `unseen` compares."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import torch

from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.methods.bank import PolicyBank
from makeanagent.methods.cloning import Cloning, CloningConfig
from makeanagent.methods.gaussian import LatentGaussian
from makeanagent.methods.method import PolicyGenerator
from makeanagent.methods.regression import Regression, RegressionConfig
from makeanagent.methods.retrieval import Retrieval
from makeanagent.methods.shuffled import Shuffled
from makeanagent.models.guidance import GuidanceConfig
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """Settings of the methods."""

    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    num_candidates: int = 64
    "Guided policies from each prompt, of which the success predictor picks one."
    num_tried: int = 100
    "Guided policies of each task that play the selection layouts."
    cloning: CloningConfig = field(default_factory=CloningConfig)
    cloning_from_mean: CloningConfig = field(
        default_factory=lambda: CloningConfig(num_steps=300, learning_rate=5e-4)
    )
    "From there, the way is short."
    regression: RegressionConfig = field(default_factory=RegressionConfig)
    retrieval_noise: float = 1.0
    "In standard deviations of each parameter over the task's training policies."


SETTINGS = {
    "guided": ("guidance",),
    "ranked": ("guidance", "num_candidates"),
    "selected": ("guidance", "num_tried"),
    "cloning": ("cloning",),
    "cloning_mean": ("cloning_from_mean",),
    "cloning_moved": ("cloning", "guidance"),
    "regression": ("regression",),
    "retrieval_noise": ("retrieval_noise",),
}
"""Fields of `MethodConfig` that a method reads; the others read none."""


class Made(NamedTuple):
    """What a method made of a task's prompts."""

    policies: PolicyBatch
    predicted_success: list[float] | None = None
    "Of each policy, where a predictor chose it."


Groups = Sequence[Sequence[Trajectory]]
"""The demonstrations behind each policy."""
Method = Callable[[MakeAnAgent, Groups, int, MethodConfig], Made]
"""From a generator, demonstrations and a seed to a policy for each group of demonstrations."""


def make_unguided(generator: MakeAnAgent, groups: Groups, seed: int, config: MethodConfig) -> Made:
    """The first sample, by the embedding of its prompt alone."""
    return Made(generator.generate(groups, seed=seed))


def make_guided(generator: MakeAnAgent, groups: Groups, seed: int, config: MethodConfig) -> Made:
    """The first sample, pulled towards the demonstration's own actions."""
    return Made(generator.generate(groups, seed=seed, guidance=config.guidance))


def make_ranked(generator: MakeAnAgent, groups: Groups, seed: int, config: MethodConfig) -> Made:
    """Of many guided samples of a prompt the one that the predictor likes best; none has played.

    Raises:
        InputError: the generator has no success predictor.
    """
    if generator.predictor is None:
        raise InputError("the generator has no success predictor")
    chosen, predicted = [], []
    for group in groups:
        candidates = generator.generate([group], config.num_candidates, seed, config.guidance)
        success = generator.predict_success(candidates, [group])
        best = int(success.argmax())
        chosen.append(candidates.parameters[best])
        predicted.append(float(success[best]))
    return Made(PolicyBatch(torch.stack(chosen), generator.config.spec), predicted)


def make_tried(generator: MakeAnAgent, groups: Groups, seed: int, config: MethodConfig) -> Made:
    """Guided samples of all prompts by turns, among which rollouts are to choose."""
    return Made(generator.generate(groups, config.num_tried, seed, config.guidance))


def make_cloned(generator: MakeAnAgent, groups: Groups, seed: int, config: MethodConfig) -> Made:
    """Behaviour cloning from scratch, which uses nothing of the generator but its spec."""
    cloning = Cloning(generator.config.spec, config.cloning, space=generator.config.space)
    return Made(cloning.clone(groups, seed))


def make_moved(generator: MakeAnAgent, groups: Groups, seed: int, config: MethodConfig) -> Made:
    """Cloning on demonstrations that are moved as guidance moves them."""
    cloning = Cloning(
        generator.config.spec,
        config.cloning,
        space=generator.config.space,
        translation=config.guidance.translation,
    )
    return Made(cloning.clone(groups, seed))


RANKED = "ranked"
"""The one method that asks the success predictor."""
SELECTED = "selected"
"""The one method that plays before it is scored; on unseen tasks alone."""
CORE: dict[str, Method] = {
    "unguided": make_unguided,
    "guided": make_guided,
    RANKED: make_ranked,
    "cloning": make_cloned,
    "cloning_moved": make_moved,
    SELECTED: make_tried,
}
READERS = {"familiarity": ("guided", RANKED, SELECTED), "predictor": (RANKED,)}
"""Parts that may join a generator later, and the methods whose policies depend on them."""
CURVES = ("guided", "cloning")
"""Methods that are followed over numbers of demonstrations and over action noise."""
RIVALS = (
    "retrieval",
    "retrieval_noise",
    "average_2",
    "average_16",
    "gaussian",
    "regression",
    "cloning_mean",
    "shuffled",
)
SELECTED_BEST = "selected_best"
"""Of the policies chosen on the selection layouts the best one there, alone."""
OWN = ("unguided", "guided", RANKED, SELECTED, SELECTED_BEST, "shuffled")
"""The generator's own ways, another task's prompt included; all else are its rivals."""


def build_rivals(
    generator: MakeAnAgent,
    bank: PolicyBank,
    strangers: Sequence[Trajectory],
    seed: int,
    config: MethodConfig,
) -> dict[str, Callable[[], PolicyGenerator]]:
    """What builds each of `RIVALS`, once, when it is first called.

    Args:
        generator: the rivals read prompts and decode latents as it does.
        bank: what it was trained on.
        strangers: a demonstration of each task, by which `shuffled` prompts other tasks.
        seed: of what is trained.
        config: sizes and rates.
    """
    spec, mean = generator.config.spec, generator.autoencoder.mean
    noise = config.retrieval_noise
    builders: dict[str, Callable[[], PolicyGenerator]] = {
        "retrieval": lambda: Retrieval(generator, bank),
        "retrieval_noise": lambda: Retrieval(generator, bank, noise=noise),
        "average_2": lambda: Retrieval(generator, bank, num_averaged=2),
        "average_16": lambda: Retrieval(generator, bank, num_averaged=16),
        "gaussian": lambda: LatentGaussian(generator, bank),
        "regression": lambda: Regression.train(generator, bank, config.regression, seed),
        "cloning_mean": lambda: Cloning(spec, config.cloning_from_mean, start=mean.cpu()),
        "shuffled": lambda: Shuffled(generator, strangers),
    }
    return {name: cache(build) for name, build in builders.items()}
