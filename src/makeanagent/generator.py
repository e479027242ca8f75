"""MakeAnAgent: from a demonstration to policies, in one artifact and one folder."""

import dataclasses
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from makeanagent.artifacts import (
    check_manifest,
    check_schema,
    describe_provenance,
    hash_file,
    read_json,
    require_empty_folder,
    write_json,
    write_manifest,
    write_text,
)
from makeanagent.devices import find_device
from makeanagent.errors import InputError
from makeanagent.generator_config import GeneratorConfig
from makeanagent.generator_parts import build_autoencoder, build_embedding
from makeanagent.hub import (
    WEIGHTS_NAME,
    check_shapes,
    find_generator,
    load_tensors,
    read_weights,
    write_card,
    write_weights,
)
from makeanagent.models.autoencoder import ParameterAutoencoder
from makeanagent.models.basis import PolicyBasis
from makeanagent.models.behavior import BehaviorEmbedding
from makeanagent.models.denoisers import TrunkDenoiser, build_denoiser
from makeanagent.models.diffusion import make_scheduler, sample_latents
from makeanagent.models.familiarity import Familiarity, Judgement
from makeanagent.models.guidance import GuidanceConfig, gather_steps, guide_latents
from makeanagent.models.practice import Practice
from makeanagent.models.reader import DemonstrationReader
from makeanagent.policies.batch import PolicyBatch
from makeanagent.remote import upload_folder
from makeanagent.trajectories import Trajectory, stack_prompts
from makeanagent.trajectories.behaviors import Prompts, average_groups, group_prompts
from makeanagent.trajectories.excerpt import excerpt_trajectories
from makeanagent.trajectories.units import bring_to_units

SCHEMA_VERSION = 1
_NOISE_SEED = 2**32
"""Added to a seed for the noise on conditions, which was to be another than that of the diffusion.
Torch reads 32 bits of a seed on the CPU, so that both draw the same numbers; another constant would
change what guidance gives."""
_VARIATION = 0.25
"""Standard deviation of that noise in the one-step form: half of what conditions of different
prompts have. Policies act a little differently with it, and no worse."""


class MakeAnAgent:
    """A policy generator: behaviour embedding, latent diffusion, and the parameter decoder.

    `MakeAnAgent.from_pretrained("metaworld")` loads one, and `generate` takes demonstrations.
    """

    def __init__(
        self,
        config: GeneratorConfig,
        autoencoder: ParameterAutoencoder | PolicyBasis | None = None,
        embedding: BehaviorEmbedding | DemonstrationReader | None = None,
        denoiser: nn.Module | None = None,
        familiarity: Familiarity | None = None,
        practice: Practice | None = None,
    ) -> None:
        """Put trained parts together, or build untrained ones from `config`."""
        self.config = config
        self.autoencoder = autoencoder or build_autoencoder(config)
        self.embedding = embedding or build_embedding(config)
        self.denoiser = denoiser or build_denoiser(
            self.autoencoder.latent_shape, config.condition_dim, config.denoiser
        )
        self.familiarity = familiarity
        if config.familiarity is not None and familiarity is None:
            assert config.space is not None
            self.familiarity = Familiarity(config.space, config.familiarity)
        self.practice = practice
        if config.practice is not None and practice is None:
            shape = self.autoencoder.latent_shape
            self.practice = Practice(config.condition_dim, shape, config.practice)
        # Made here, as importing diffusers takes longer than generating.
        self._scheduler = make_scheduler(config.diffusion)
        self.fingerprint: str | None = None
        "SHA-256 of the weights' file that it was loaded from."
        parts = {
            "autoencoder": self.autoencoder,
            "embedding": self.embedding,
            "denoiser": self.denoiser,
            "familiarity": self.familiarity,
            "practice": self.practice,
        }
        # Held, and not inherited from torch: help and dir are to show what is ours.
        self._parts = nn.ModuleDict(
            {name: part for name, part in parts.items() if part is not None}
        )
        self._parts.requires_grad_(False).eval()

    def __repr__(self) -> str:
        """In a line: what it was trained on, and what it reads and writes."""
        config = self.config
        known = f"{len(config.tasks)} tasks of {config.suite}" if config.tasks else "no tasks"
        size = f"{self.num_parameters:,} parameters"
        return f"MakeAnAgent({known}; policies {config.spec.describe()}; {size})"

    @property
    def num_parameters(self) -> int:
        """Numbers in its own networks."""
        return sum(each.numel() for each in self._parts.parameters())

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self._parts.parameters()).device

    def to(self, device: str | torch.device) -> "MakeAnAgent":
        """Move its networks to a device, and return itself."""
        self._parts.to(device)
        return self

    def state_dict(self) -> dict[str, torch.Tensor]:
        """All tensors of its networks by name, as `save_pretrained` writes them."""
        return dict(self._parts.state_dict())

    @torch.no_grad()
    def generate(
        self,
        prompts: Prompts,
        num_policies: int | None = None,
        seed: int = 0,
        guidance: GuidanceConfig | None = None,
        *,
        sample_steps: int | None = None,
    ) -> PolicyBatch:
        """Generate policies from demonstrations.

        Args:
            prompts: one demonstration or several, or the path of a file of them; policy i is
                prompted by number i modulo their count. Demonstrations of one behaviour that are
                to prompt each policy together go into a sequence of their own.
            num_policies: policies in all; by default one for each prompt. Those of one prompt
                differ: they are samples, or in the one-step form, of which a prompt's first policy
                is the best guess, of conditions with noise.
            seed: of the diffusion's initial noise; the same seed gives the same policies.
            guidance: pull policies towards their demonstration's own actions; without it, the
                embedding is all that a policy knows of its demonstration.
            sample_steps: denoising steps of DDIM; by default the config's. With 1, a generator
                that reads takes its one-step form.

        Raises:
            InputError: a demonstration has another width than the generator's environments, or is
                too short; or there would be no denoising step, or more than there are times.
        """
        steps = self._check_steps(sample_steps)
        if type(seed) is not int or not 0 <= seed <= 2**62:
            raise InputError(f"generate: seed {seed!r}; must be a whole number, 0 to 2**62")
        if not (guidance is None or isinstance(guidance, GuidanceConfig)):
            raise InputError(f"generate: guidance {guidance!r}; must be a GuidanceConfig or None")
        groups, rows = group_prompts(prompts, num_policies)
        groups = [self._bring_to_units(group) for group in groups]
        condition = self.embed_groups(groups)[rows]
        practised = self._recall(condition, steps)
        if self._takes_one_step(steps):
            condition = _vary(condition, len(groups), seed)
        latents = self._sample(condition, seed, steps) + practised
        if guidance is not None:
            latents = self._guide(groups, rows, condition, practised, seed, steps, guidance)
        return PolicyBatch(self.autoencoder.decode(latents), self.config.spec)

    @torch.no_grad()
    def generate_from(self, condition: torch.Tensor, seed: int = 0) -> PolicyBatch:
        """A policy for each condition `[N, C]`, by that alone."""
        steps = self.config.diffusion.sample_steps
        latents = self._sample(condition, seed, steps) + self._recall(condition, steps)
        return PolicyBatch(self.autoencoder.decode(latents), self.config.spec)

    def _check_steps(self, sample_steps: int | None) -> int:
        diffusion = self.config.diffusion
        steps = diffusion.sample_steps if sample_steps is None else sample_steps
        if not 1 <= steps <= diffusion.train_steps:
            raise InputError(
                f"generate: {steps} denoising steps; this generator takes 1 to"
                f" {diffusion.train_steps}"
            )
        return steps

    def _takes_one_step(self, sample_steps: int) -> bool:
        return sample_steps == 1 and isinstance(self.denoiser, TrunkDenoiser)

    def _sample(self, condition: torch.Tensor, seed: int, sample_steps: int) -> torch.Tensor:
        """Latents `[N, G, D]` for conditions `[N, C]`."""
        trunk = self.denoiser if isinstance(self.denoiser, TrunkDenoiser) else None
        if trunk is not None and self._takes_one_step(sample_steps):
            return trunk.predict(condition)
        latents = sample_latents(
            self.denoiser,
            self._scheduler,
            condition,
            self.autoencoder.latent_shape,
            sample_steps,
            torch.Generator().manual_seed(seed),
        )
        return latents if trunk is None else latents * trunk.scale

    def _recall(self, condition: torch.Tensor, sample_steps: int) -> torch.Tensor:
        """What latents `[N, G, D]` are changed by where conditions are of practised tasks."""
        trunk = self.denoiser if isinstance(self.denoiser, TrunkDenoiser) else None
        if self.practice is None or trunk is None or not self._takes_one_step(sample_steps):
            return condition.new_zeros(())
        return self.practice.correct(condition, trunk.predict(condition))

    def recognise(self, prompts: Prompts) -> list[str | None]:
        """Of each prompt, as `generate` takes them, the practised task that it is taken for.

        Those that are read alone have None.

        Raises:
            InputError: a demonstration has another width.
        """
        groups, _ = group_prompts(prompts, None)
        if self.practice is None or not self._takes_one_step(self.config.diffusion.sample_steps):
            return [None] * len(groups)
        groups = [self._bring_to_units(group) for group in groups]
        numbers = self.practice.recognise(self.embed_groups(groups)).tolist()
        return [None if number < 0 else self.config.tasks[number] for number in numbers]

    def _guide(
        self,
        groups: Sequence[Sequence[Trajectory]],
        rows: torch.Tensor,
        condition: torch.Tensor,
        practised: torch.Tensor,
        seed: int,
        sample_steps: int,
        guidance: GuidanceConfig,
    ) -> torch.Tensor:
        """Guided latents `[N, G, D]`.

        Args:
            groups: the demonstrations, M groups.
            rows: int `[N]`: the group of each policy.
            condition: `[N, C]`.
            practised: `[N, G, D]`, or a 0: what `_recall` adds.
            seed: of the noise.
            sample_steps: denoising steps.
            guidance: how far, and how.
        """
        repeated = condition.repeat(guidance.num_starts, 1)
        source = torch.Generator().manual_seed(seed + _NOISE_SEED)
        noise = torch.randn(repeated.shape, generator=source).to(repeated)
        noise[: len(groups)] = 0
        drawn = self._sample(repeated + guidance.condition_noise * noise, seed, sample_steps)
        drawn = drawn.unflatten(0, (guidance.num_starts, len(rows))) + practised
        starts = drawn.transpose(0, 1)
        steps = gather_steps(
            groups,
            guidance.in_unit(self.config.unit),
            condition.device,
            self.config.positions,
        )
        return guide_latents(self.autoencoder, starts, steps[rows], guidance)

    def judge_familiarity(self, prompts: Sequence[Trajectory]) -> list[Judgement] | None:
        """What in each demonstration is unlike training.

        Returns:
            None where this generator cannot tell.

        Raises:
            InputError: a demonstration has another width, or there is none.
        """
        if self.familiarity is None:
            return None
        prompts = self._bring_to_units(prompts)
        for prompt in prompts:
            prompt.require_widths(self.config.spec.observation_dim, self.config.spec.action_dim)
        num_knots = self.familiarity.config.num_knots
        return self.familiarity.judge(excerpt_trajectories(prompts, num_knots))

    def embed(self, prompts: Sequence[Trajectory]) -> torch.Tensor:
        """Conditions `[M, C]` of demonstrations, each by itself.

        Raises:
            InputError: a demonstration has another width, or is too short.
        """
        return self.embed_groups([[prompt] for prompt in prompts])

    def embed_groups(self, groups: Sequence[Sequence[Trajectory]]) -> torch.Tensor:
        """Conditions `[M, C]` of groups of demonstrations, each of which prompts together.

        A reader attends to all of a group's at once; of the paper's embeddings the mean is taken.

        Raises:
            InputError: a demonstration has another width, or is too short.
        """
        prompts = [prompt for group in groups for prompt in group]
        for prompt in prompts:
            prompt.require_widths(self.config.spec.observation_dim, self.config.spec.action_dim)
        if isinstance(self.embedding, DemonstrationReader):
            return self.embedding.embed_groups(groups)
        conditions = self.embedding.condition(*self._read(prompts), self.config.condition)
        return average_groups(conditions.split([len(group) for group in groups]))

    def _read(self, prompts: Sequence[Trajectory]) -> tuple[torch.Tensor, torch.Tensor]:
        """Behaviour `[M, K, behavior_dim]` and outcome `[M, K, outcome_dim]`."""
        behavior, outcome = stack_prompts([self.config.window.read(prompt) for prompt in prompts])
        return torch.from_numpy(behavior).to(self.device), torch.from_numpy(outcome).to(self.device)

    def _bring_to_units(self, prompts: Sequence[Trajectory]) -> list[Trajectory]:
        """Demonstrations whose actions are in [-1, 1], with a warning where they were not."""
        found = [bring_to_units(prompt, self.config.space) for prompt in prompts]
        for note in dict.fromkeys(each.note for each in found if each.note):
            warnings.warn(note, stacklevel=3)
        return [each.trajectory for each in found]

    def save_pretrained(
        self,
        folder: str | Path,
        card: str | None = None,
        *,
        for_training: bool = True,
        half: bool = False,
    ) -> None:
        """Write weights, config, model card and hashes into an empty folder.

        Args:
            folder: empty or absent.
            card: text of the model card; a short one is written without it.
            for_training: whether to write what generation does not use, such as the encoder, too.
            half: whether to round matrices to float16, for a generator that is to be shipped: of
                a reader, that moves actions by some thousandths.

        Raises:
            InputError: the folder is not empty, or cannot be written.
        """
        folder = require_empty_folder(Path(folder))
        tensors = {name: tensor.cpu().numpy() for name, tensor in self.state_dict().items()}
        write_weights(folder, tensors, for_training=for_training, half=half)
        content = dataclasses.asdict(self.config)
        content |= {"schema_version": SCHEMA_VERSION, "provenance": describe_provenance()}
        write_json(folder / "config.json", content)
        write_text(folder / "README.md", card or write_card(self.config))
        write_manifest(folder)

    @classmethod
    def from_pretrained(cls, name: str | Path, device: str | torch.device = "cpu") -> "MakeAnAgent":
        """Load a generator.

        Args:
            name: a bundled generator's name (`metaworld`), a folder, or a Hugging Face hub id.
            device: `cpu`, `cuda`, or `auto` for CUDA where it is.

        Raises:
            InputError: there is none, or a file is missing or altered.
        """
        folder = find_generator(name)
        check_manifest(folder, ("config.json", WEIGHTS_NAME))
        path = folder / "config.json"
        content = read_json(path)
        check_schema(path, content.get("schema_version"), SCHEMA_VERSION)
        config = GeneratorConfig.from_dict(content, path)
        weights = folder / WEIGHTS_NAME
        tensors = {key: torch.from_numpy(array) for key, array in read_weights(folder).items()}
        # Of shapes alone at first: a config may ask for more memory than there is.
        with torch.device("meta"):
            check_shapes(cls(config).state_dict(), tensors, weights)
        generator = cls(config)
        load_tensors(generator._parts, tensors, weights)
        generator.fingerprint = hash_file(weights)
        return generator.to(find_device(str(device)))

    def push_to_hub(self, repo_id: str, *, private: bool = False) -> str:
        """Upload to the Hugging Face hub and return the address.

        Args:
            repo_id: `owner/name`; made if it does not exist.
            private: whether a new repository is private.
        """
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "generator"
            self.save_pretrained(folder)
            return upload_folder(folder, repo_id, "model", private=private)


def _vary(condition: torch.Tensor, num_prompts: int, seed: int) -> torch.Tensor:
    """Conditions `[N, C]` with noise on all but each prompt's first, that policies differ."""
    source = torch.Generator().manual_seed(seed)
    noise = torch.randn(condition.shape, generator=source).to(condition)
    noise[:num_prompts] = 0
    return condition + _VARIATION * noise
