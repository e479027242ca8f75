"""Everything about a generator but its weights."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from makeanagent.errors import InputError
from makeanagent.field_types import check_fields
from makeanagent.models.autoencoder import AutoencoderConfig
from makeanagent.models.basis import BasisConfig
from makeanagent.models.behavior import BehaviorConfig, ConditionKind
from makeanagent.models.denoisers import DenoiserConfig
from makeanagent.models.diffusion import DiffusionConfig
from makeanagent.models.familiarity import FamiliarityConfig
from makeanagent.models.practice import PracticeConfig
from makeanagent.models.reader import ReaderConfig
from makeanagent.policies.spec import PolicySpec
from makeanagent.trajectories import PromptWindow
from makeanagent.trajectories.space import Space
from makeanagent.trajectories.windows import Window, read_window


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Everything about a generator but its weights."""

    spec: PolicySpec
    window: Window = field(default_factory=PromptWindow)
    "What the paper's embedding reads of a demonstration; a reader reads all of it."
    autoencoder: AutoencoderConfig | BasisConfig = field(default_factory=AutoencoderConfig)
    behavior: BehaviorConfig | ReaderConfig = field(default_factory=BehaviorConfig)
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    familiarity: FamiliarityConfig | None = None
    "Of what is said of demonstrations unlike training, which not every generator has."
    practice: PracticeConfig | None = None
    "Of the practised tasks, which not every generator has."
    condition: ConditionKind = "hv"
    suite: str = ""
    "Where the training policies came from."
    tasks: tuple[str, ...] = ()
    "Tasks that it was trained on."
    space: Space | None = None
    "What observations and actions are; by default nothing but the spec's widths."
    training: dict[str, Any] | None = None
    """How it was trained, as plain JSON: `config`, `seed`, SHA-256 of the zoo's `shards` by name,
    and the generator of which it began, `start`; None of those that came before this was kept."""

    def __post_init__(self) -> None:
        """Fill in the space, and check that it is of the spec's widths, and the parts' own fields.

        Raises:
            InputError: it is not, or one of them has a value that is not accepted.
        """
        spec = self.spec
        plain = Space(observation_dim=spec.observation_dim, action_dim=spec.action_dim)
        space = self.space or plain
        if (space.observation_dim, space.action_dim) != (spec.observation_dim, spec.action_dim):
            raise InputError(
                f"generator: space of {space.observation_dim} observations and {space.action_dim}"
                f" actions, but policies of {spec.observation_dim} and {spec.action_dim}"
            )
        object.__setattr__(self, "space", space)
        _check_choice("condition", self.condition, ConditionKind)
        for name in (*_PARTS, "window", "familiarity", "practice"):
            if (part := getattr(self, name)) is not None:
                _check_fields(name, part)

    @property
    def positions(self) -> tuple[int, ...]:
        """Where in an observation positions begin."""
        assert self.space is not None
        return self.space.positions

    @property
    def unit(self) -> float:
        """One metre in the numbers of a position."""
        assert self.space is not None
        return self.space.unit

    @property
    def action_bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """The environment's own actions for which -1 and 1 stand; None where they are these."""
        if self.space is None or not self.space.action_low:
            return None
        return self.space.action_low, self.space.action_high

    @property
    def condition_dim(self) -> int:
        """C, width of what the diffusion model is conditioned on."""
        if isinstance(self.behavior, ReaderConfig):
            return self.behavior.condition_dim
        return self.window.num_segments * len(self.condition) * self.behavior.embedding_dim

    @property
    def reads_whole(self) -> bool:
        """Whether a demonstration is read whole, of any length, and not by the window."""
        return isinstance(self.behavior, ReaderConfig)

    @property
    def min_steps(self) -> int:
        """T of the shortest demonstration that is read."""
        return 1 if self.reads_whole else self.window.min_steps

    @property
    def words(self) -> str:
        """What of a demonstration is read, for a model card."""
        if self.reads_whole:
            return "a whole demonstration of any length, to its success where it shows one"
        return self.window.words

    @property
    def reads_success(self) -> bool:
        """Whether a demonstration should show a success."""
        return self.reads_whole or self.window.reads_success

    @property
    def words_without_success(self) -> str:
        """What is read of a demonstration that shows no success, for people."""
        if self.reads_whole:
            return "it is read to its end"
        return f"its last {self.window.num_outcome_states} states stand in for the outcome"

    @classmethod
    def from_dict(cls, content: dict[str, Any], path: Path) -> "GeneratorConfig":
        """Read what `dataclasses.asdict` and JSON made of a config.

        Raises:
            InputError: a field is unknown or missing, or its value is not accepted.
        """
        try:
            known = {field.name for field in fields(cls)} | {"schema_version", "provenance"}
            if unknown := sorted(content.keys() - known):
                raise InputError(f"unknown field '{unknown[0]}'")
            values: dict[str, Any] = {
                name: _find_kind(kinds, content[name])(**_tuples(content[name]))
                for name, kinds in _PARTS.items()
            }
            values["spec"] = PolicySpec.from_dict(content["spec"])
            values["window"] = read_window(content["window"])
            values |= {name: content[name] for name in ("condition", "suite")}
            values["space"] = Space.from_dict(content["space"])
            values["training"] = content["training"]
            found = content["familiarity"]
            values["familiarity"] = None if found is None else FamiliarityConfig(**found)
            # Generators of before there was practice do not have the field.
            found = content.get("practice")
            values["practice"] = None if found is None else PracticeConfig(**found)
            if not isinstance(content["tasks"], list):
                raise InputError(f"tasks {content['tasks']!r}: must be a list")
            config = cls(**values, tasks=tuple(content["tasks"]))
            check_fields(config)
            return config
        except (AttributeError, InputError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: not a generator's config: {error}") from None


_MOST_LAYERS = 64
_MAY_BE_ZERO = ("num_layers", "init_seed")

_PARTS: dict[str, tuple[type, ...]] = {
    "autoencoder": (AutoencoderConfig, BasisConfig),
    "behavior": (BehaviorConfig, ReaderConfig),
    "denoiser": (DenoiserConfig,),
    "diffusion": (DiffusionConfig,),
}
"""Each part's forms, which tell themselves apart by `kind`; the first one is the paper's."""


def _find_kind(forms: tuple[type, ...], content: dict[str, Any]) -> type:
    for form in forms[1:]:
        if content.get("kind") == getattr(form, "kind", None):
            return form
    return forms[0]


def _check_fields(name: str, part: Any) -> None:  # noqa: ANN401
    """Refuse widths and counts that are no whole numbers above 0, and unknown choices."""
    for each in fields(part):
        label, value = f"{name}: {each.name}", getattr(part, each.name)
        if get_origin(each.type) is Literal:
            _check_choice(label, value, each.type)
        elif each.type in (int, tuple[int, ...]):
            values = value if isinstance(value, tuple) else (value,)
            least = 0 if each.name in _MAY_BE_ZERO else 1
            if not values or not all(type(item) is int and item >= least for item in values):
                raise InputError(f"{label} {value!r}: must be a whole number of at least {least}")
            if each.name == "num_layers" and value > _MOST_LAYERS:
                raise InputError(f"{label} {value}: must be at most {_MOST_LAYERS}")


def _check_choice(label: str, value: object, kind: Any) -> None:  # noqa: ANN401
    if value not in get_args(kind):
        raise InputError(f"{label} {value!r}: accepted are {', '.join(get_args(kind))}")


def _tuples(content: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(item) if isinstance(item, list) else item for key, item in content.items()}
