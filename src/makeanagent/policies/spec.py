"""What a policy network looks like: its layers and where their numbers lie in the flat vector."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from makeanagent.artifacts import as_json
from makeanagent.errors import InputError

Activation = Literal["elu", "relu", "tanh"]
Squash = Literal["tanh", "none"]


class Layer(NamedTuple):
    """One linear layer, with its place in the flat parameter vector (W first, then b)."""

    name: str
    fan_in: int
    fan_out: int
    start: int

    @property
    def weight(self) -> slice:
        """Where W, `[fan_out, fan_in]` row by row, lies."""
        return slice(self.start, self.start + self.fan_out * self.fan_in)

    @property
    def bias(self) -> slice:
        """Where b, `[fan_out]`, lies."""
        return slice(self.weight.stop, self.weight.stop + self.fan_out)


@dataclass(frozen=True, kw_only=True)
class PolicySpec:
    """An MLP actor: hidden layers, a head for the mean action and one for its log-std.

    The defaults are the paper's SAC actor; for Meta-World (39 -> 4) it has 22,664 parameters.
    """

    observation_dim: int
    action_dim: int
    hidden: tuple[int, ...] = (128, 128)
    activations: tuple[Activation, ...] = ("elu", "relu")
    heads: tuple[Literal["mean", "log_std"], ...] = ("mean", "log_std")
    squash: Squash = "tanh"

    def describe(self) -> str:
        """Widths in a few words, such as `39 -> 128 -> 128 -> 4`."""
        return " -> ".join(map(str, (self.observation_dim, *self.hidden, self.action_dim)))

    def __post_init__(self) -> None:
        """Check that the fields agree.

        Raises:
            InputError: they do not, or one has a value that is not accepted.
        """
        for field in ("hidden", "activations", "heads"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        widths = (self.observation_dim, self.action_dim, *self.hidden)
        if not all(isinstance(width, int) and width >= 1 for width in widths):
            raise InputError(
                "PolicySpec: widths must be whole numbers of at least 1, got observation_dim"
                f" {self.observation_dim!r}, action_dim {self.action_dim!r}, hidden {self.hidden}"
            )
        if not all(activation in get_args(Activation) for activation in self.activations):
            raise InputError(
                f"PolicySpec: activations are any of {get_args(Activation)}, got {self.activations}"
            )
        if len(self.activations) != len(self.hidden):
            raise InputError(
                f"PolicySpec: {len(self.hidden)} hidden layers need as many activations,"
                f" got {len(self.activations)}"
            )
        if self.heads not in (("mean",), ("mean", "log_std")):
            raise InputError(
                f"PolicySpec: heads are ('mean',) or ('mean', 'log_std'), got {self.heads}"
            )
        if self.squash not in get_args(Squash):
            raise InputError(f"PolicySpec: squash is 'tanh' or 'none', got {self.squash!r}")

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Hidden layers, then heads, in the order of the flat vector."""
        widths = (self.observation_dim, *self.hidden)
        shapes = [
            (f"linear{index + 1}", fan_in, fan_out)
            for index, (fan_in, fan_out) in enumerate(zip(widths, widths[1:], strict=False))
        ]
        shapes += [(head, widths[-1], self.action_dim) for head in self.heads]
        layers, start = [], 0
        for name, fan_in, fan_out in shapes:
            layers.append(Layer(name, fan_in, fan_out, start))
            start = layers[-1].bias.stop
        return tuple(layers)

    @property
    def num_parameters(self) -> int:
        """P, the length of the flat vector."""
        return self.layers[-1].bias.stop

    def to_dict(self) -> dict[str, Any]:
        """The spec as plain JSON values."""
        content: dict[str, Any] = as_json(dataclasses.asdict(self))
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "PolicySpec":
        """Read what `to_dict` wrote.

        Raises:
            InputError: a field is unknown or missing, or has a value that is not accepted.
        """
        try:
            return cls(**content)
        except TypeError as error:
            raise InputError(f"policy spec: {error}") from None
