"""What the generator and every rival have in common, and the record that each of them has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.methods.bank import PolicyBank
from makeanagent.methods.cloning import CloningConfig
from makeanagent.methods.regression import RegressionConfig
from makeanagent.models.guidance import GuidanceConfig
from makeanagent.policies.batch import PolicyBatch
from makeanagent.trajectories import Trajectory
from makeanagent.trajectories.behaviors import Behavior


class PolicyGenerator(Protocol):
    """From demonstrations to policies: the part of `MakeAnAgent` that benchmarks use."""

    def generate(
        self,
        prompts: Trajectory | Sequence[Behavior],
        num_policies: int | None = None,
        seed: int = 0,
    ) -> PolicyBatch:
        """Policies from demonstrations.

        Args:
            prompts: one demonstration or several; policy i is prompted by number i modulo their
                count. Demonstrations of one behaviour that are to prompt each policy together go
                into a sequence of their own.
            num_policies: policies in all; by default one for each prompt.
            seed: of everything random; the same seed gives the same policies.

        Raises:
            InputError: there is no demonstration, or one cannot be used.
        """


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """Settings of the methods."""

    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    "How far, and how, policies follow their demonstration."
    cloning: CloningConfig = field(default_factory=CloningConfig)
    "Of cloning from scratch."
    regression: RegressionConfig = field(default_factory=RegressionConfig)
    "Of the network from prompt to latent."
    retrieval_noise: float = 1.0
    "In standard deviations of each parameter over the task's training policies."


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What methods are built from."""

    generator: MakeAnAgent
    "Rivals read prompts and decode latents as it does."
    bank: PolicyBank | None = None
    "What it was trained on, for methods that need it."
    strangers: Sequence[Trajectory] = ()
    "Demonstrations of several tasks, by which `shuffled` prompts other ones."
    seed: int = 0
    "Of what is trained."

    def require_bank(self) -> PolicyBank:
        """The training policies and prompts.

        Raises:
            InputError: there are none.
        """
        if self.bank is None:
            raise InputError("this method reads the zoo that its generator was trained on")
        return self.bank


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way from demonstrations to policies."""

    name: str
    "In files, and on command lines."
    label: str
    "In tables and figures."
    build: Callable[[Sources, MethodConfig], PolicyGenerator]
    "Trains what is to be trained."
    settings: tuple[str, ...] = ()
    "Fields of `MethodConfig` that its policies depend on."
    needs_bank: bool = False
    "Whether it reads the zoo."
