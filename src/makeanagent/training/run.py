"""A training run: its folder, its three stages, and the generator that comes out."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from makeanagent.artifacts import (
    as_json,
    describe_provenance,
    read_json,
    read_tensors,
    seconds_between,
    write_json,
    write_tensors,
)
from makeanagent.errors import InputError
from makeanagent.generator import MakeAnAgent
from makeanagent.generator_config import GeneratorConfig
from makeanagent.models.autoencoder import ParameterAutoencoder
from makeanagent.models.behavior import BehaviorEmbedding
from makeanagent.models.denoisers import build_denoiser
from makeanagent.training.autoencoder import train_autoencoder
from makeanagent.training.behavior import train_behavior
from makeanagent.training.data import TrainingData, load_training_data
from makeanagent.training.diffusion import train_diffusion
from makeanagent.training.presets import TrainingConfig
from makeanagent.training.start import Start, describe_start, keeps_latents
from makeanagent.zoo.store import Zoo

Model = TypeVar("Model", bound=nn.Module)
Stage = Literal["autoencoder", "behavior", "diffusion"]
STAGES: tuple[Stage, ...] = ("autoencoder", "behavior", "diffusion")
_LOG_STEPS = 20
"""Steps between two entries of the TensorBoard log."""


class TrainingRun:
    """A folder in which the stages are trained one after the other.

    It holds `run.json` (settings and zoo), `<stage>.safetensors` once a stage is done,
    `.<stage>.state` while it is not, `logs/` for TensorBoard, and `generator/` at the end.

    Args:
        folder: new, or one that was begun with the same settings.
        zoo: where the policies are.
        config: of the training.
        tasks: tasks to train on; all of the zoo's if empty.
        start: another generator, whose weights each stage begins with as far as they fit.

    Raises:
        InputError: the folder was begun with other settings, another zoo or another start, or the
            start is a generator that reads, whose networks are others than the stages'.
    """

    def __init__(
        self,
        folder: Path,
        zoo: Zoo,
        config: TrainingConfig,
        tasks: Sequence[str] = (),
        start: Start | None = None,
    ) -> None:
        self.folder, self.zoo, self.config, self.start = folder, zoo, config, start
        self.tasks = tuple(tasks) or tuple(zoo.tasks())
        if start is not None and start.generator.config.reads_whole:
            raise InputError(
                f"{start.name}: a generator that reads, of which the paper's stages have no"
                " network; begin from one of a zoo, or go on with it by `train reader`"
            )
        shards = {name: zoo.read_index(name) for name in zoo.shard_names()}
        self._settings = {
            "config": asdict(config),
            "suite": zoo.suite,
            "tasks": list(self.tasks),
            "shards": {
                name: index["sha256"]
                for name, index in shards.items()
                if index["task"] in self.tasks
            },
            "start": None if start is None else start.to_dict(),
        }
        path = folder / "run.json"
        if path.is_file():
            found = read_json(path)
            # Compared as JSON gives it back: tuples are lists there.
            for name, value in as_json(self._settings).items():
                if found.get(name) != value:
                    raise InputError(
                        f"{folder}: was begun with another {name}; use the same settings, zoo and"
                        " start, or another folder"
                    )
        elif folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder}: not empty and no training run; give an empty folder")
        else:
            write_json(path, self._settings | {"provenance": describe_provenance()})
        self._data: TrainingData | None = None

    @property
    def data(self) -> TrainingData:
        """The zoo's policies and prompts, read once."""
        if self._data is None:
            self._data = load_training_data(
                self.zoo,
                self.tasks,
                self.config.window,
                held_out_runs=self.config.held_out_runs,
                max_policies=self.config.max_policies,
                align=self.config.align,
            )
        return self._data

    def is_done(self, stage: Stage) -> bool:
        """Whether a stage's weights are there."""
        return self._weights(stage).is_file()

    def train(self, stage: Stage, device: str, on_progress: Callable[[int, int, str], Any]) -> None:
        """Train one stage, or go on with it; a stage that is done stays as it is.

        Args:
            stage: which one; diffusion needs the other two.
            device: where to train.
            on_progress: called with step, number of steps, and a few words.

        Raises:
            InputError: an earlier stage is missing.
        """
        if self.is_done(stage):
            return
        if stage == "diffusion":
            for earlier in STAGES[:2]:
                if not self.is_done(earlier):
                    raise InputError(
                        f"{self.folder}: this stage needs the {earlier}; run `train {earlier}`"
                        " first, or `train all`"
                    )
        with _Log(self.folder / "logs" / stage, stage, on_progress) as log:
            model = self._run_recipe(stage, device, log)
        tensors = {name: tensor.cpu().numpy() for name, tensor in model.state_dict().items()}
        write_tensors(self._weights(stage), tensors)
        self._state(stage).unlink(missing_ok=True)

    def _run_recipe(self, stage: Stage, device: str, log: Callable[..., Any]) -> nn.Module:
        config = self.config
        common: dict[str, Any] = {
            "seed": config.seed,
            "device": device,
            "state_path": self._state(stage),
            "checkpoint_seconds": config.checkpoint_seconds,
            "log": log,
        }
        start = None if self.start is None else self.start.generator
        if stage == "autoencoder":
            common["start"] = start and start.autoencoder
            return train_autoencoder(self.data, config.autoencoder, **common)
        if stage == "behavior":
            common["start"] = start and start.embedding
            return train_behavior(self.data, config.behavior, **common)
        autoencoder, embedding = self.load_autoencoder(), self.load_behavior()
        if start is not None and keeps_latents(autoencoder, start.autoencoder):
            common["start"] = start.denoiser
        return train_diffusion(self.data, autoencoder, embedding, config.diffusion, **common)

    def _weights(self, stage: Stage) -> Path:
        return self.folder / f"{stage}.safetensors"

    def _state(self, stage: Stage) -> Path:
        return self.folder / f".{stage}.state"

    def describe_start(self) -> list[str]:
        """What each network takes over from the start, one line each; none without a start."""
        if self.start is None:
            return []
        with torch.device("meta"):  # Of these networks the shapes are wanted alone.
            autoencoder, embedding = self._build_autoencoder(), self._build_behavior()
            denoiser = build_denoiser(
                autoencoder.latent_shape, self._condition_dim, self.config.diffusion.model
            )
        return describe_start(self.start, autoencoder, embedding, denoiser)

    def _build_autoencoder(self) -> ParameterAutoencoder:
        return ParameterAutoencoder(self.zoo.spec, self.config.autoencoder.model)

    def _build_behavior(self) -> BehaviorEmbedding:
        spec, window = self.zoo.spec, self.config.window
        return BehaviorEmbedding(
            window.behavior_dim(spec.observation_dim, spec.action_dim),
            window.outcome_dim(spec.observation_dim),
            self.config.behavior.model,
        )

    @property
    def _condition_dim(self) -> int:
        config = self.config
        embedding_dim = len(config.diffusion.condition) * config.behavior.model.embedding_dim
        return config.window.num_segments * embedding_dim

    def load_autoencoder(self) -> ParameterAutoencoder:
        """The trained autoencoder."""
        return self._load(self._build_autoencoder(), "autoencoder")

    def load_behavior(self) -> BehaviorEmbedding:
        """The trained behaviour embedding."""
        return self._load(self._build_behavior(), "behavior")

    def _load(self, model: Model, stage: Stage) -> Model:
        tensors = read_tensors(self._weights(stage))
        model.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
        return model.eval()

    @property
    def training_seconds(self) -> float:
        """Time from the run's beginning to its generator; right if it was trained in one go."""
        begin, end = (
            read_json(self.folder / name)["provenance"]["created"]
            for name in ("run.json", "generator/config.json")
        )
        return seconds_between(begin, end)

    def assemble_generator(self) -> MakeAnAgent:
        """Put the trained stages together."""
        config = self.config
        generator = MakeAnAgent(
            GeneratorConfig(
                spec=self.zoo.spec,
                window=config.window,
                autoencoder=config.autoencoder.model,
                behavior=config.behavior.model,
                denoiser=config.diffusion.model,
                diffusion=config.diffusion.diffusion,
                condition=config.diffusion.condition,
                suite=self.zoo.suite,
                tasks=self.tasks,
                space=self.zoo.space,
                training=self._describe_training(),
            ),
            autoencoder=self.load_autoencoder(),
            embedding=self.load_behavior(),
        )
        self._load(generator.denoiser, "diffusion")
        return generator

    def _describe_training(self) -> dict[str, Any]:
        """What the generator's config says of how it was trained, as plain JSON."""
        known = {name: self._settings[name] for name in ("config", "shards", "start")}
        return as_json(known | {"seed": self.config.seed})

    def save_generator(self) -> Path:
        """Write `generator/`, whole or not at all, unless it is there, and return its path."""
        target, draft = self.folder / "generator", self.folder / ".generator.tmp"
        if not target.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
            self.assemble_generator().save_pretrained(draft)
            draft.rename(target)
        return target


class _Log:
    """TensorBoard entries and progress of one stage."""

    def __init__(
        self, folder: Path, stage: str, on_progress: Callable[[int, int, str], Any]
    ) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))
        self._stage, self._on_progress = stage, on_progress
        self._last: dict[str, float] = {}
        "The values that were last read, in the order of their first reading."

    def __enter__(self) -> "_Log":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def __call__(self, step: int, num_steps: int, values: dict[str, Tensor]) -> None:
        validated = any("/" in name for name in values)
        if validated or step % _LOG_STEPS == 0 or step == num_steps:
            for name, value in values.items():
                self._last[name] = float(value)
                self._writer.add_scalar(f"{self._stage}/{name}", self._last[name], step)
        words = ", ".join(f"{name} {value:.4f}" for name, value in list(self._last.items())[:2])
        self._on_progress(step, num_steps, f"{self._stage}: {words}" if words else self._stage)
