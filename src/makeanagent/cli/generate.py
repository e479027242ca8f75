"""`make-an-agent generate`: from demonstrations on disk to a folder of policies."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import tyro

from makeanagent.cli.words import count
from makeanagent.read_options import ReadOptions

if TYPE_CHECKING:
    from makeanagent.generator import MakeAnAgent
    from makeanagent.trajectories import Trajectory


@dataclass(frozen=True, kw_only=True)
class Generate:
    """Generate policies from one demonstration or several, and save them in a folder.

    Example: make-an-agent generate --prompt demo.npz --num 100 --out policies
    """

    goes_on: ClassVar[bool] = False
    "It is done from the start again after a stop."

    prompt: str
    "Demonstrations: .npz, Minari, LeRobot or robomimic; also minari:<id> or lerobot:<hub id>."
    out: Path
    "Folder to write the policies to; it must be empty or new."
    read: Annotated[ReadOptions, tyro.conf.OmitArgPrefixes] = ReadOptions()
    "Which demonstrations are read, and what of them."
    num: int = 100
    "How many policies to generate in all; several demonstrations prompt them by turns."
    together: bool = False
    "Take all demonstrations as showing one behaviour: together they prompt each policy."
    guidance: bool = False
    "Pull policies towards the demonstration's own actions: it helps some tasks and harms others."
    generator: str = "metaworld"
    "Generator to use: a bundled one, its folder, or a Hugging Face hub id."
    seed: int = 0
    "Seed of the noise: another one gives other policies."
    device: Literal["auto", "cpu", "cuda"] = "auto"
    "Where to compute; auto takes CUDA where there is a device."

    def run(self) -> None:
        """Generate, save, and say how long it took."""
        from makeanagent.artifacts import require_empty_folder
        from makeanagent.cli.checks import require_at_least
        from makeanagent.cli.notes import print_note

        require_at_least("--num", self.num, 1)
        require_at_least("--seed", self.seed, 0)
        require_empty_folder(self.out)

        from dataclasses import asdict
        from time import perf_counter

        from makeanagent.generator import MakeAnAgent
        from makeanagent.models.guidance import GuidanceConfig
        from makeanagent.policies.folder import save_policies
        from makeanagent.suites.forms import require_form
        from makeanagent.trajectories.demonstrations import read_demonstrations

        prompts = read_demonstrations(self.prompt, self.read, print_note)
        generator = MakeAnAgent.from_pretrained(self.generator, self.device)
        for prompt in prompts:
            require_form(prompt, generator.config.suite, generator.config.space)
        prompts = self._note_units(generator, prompts)
        behaviors = [prompts] if self.together else prompts
        begin = perf_counter()
        guidance = GuidanceConfig() if self.guidance else None
        policies = generator.generate(behaviors, self.num, self.seed, guidance)
        seconds = perf_counter() - begin
        oddities = self._note_oddities(generator, prompts)
        practised = self._note_practised(generator, prompts)
        flexible = self._note_failures(generator, prompts)
        ended = self._note_terminations(prompts)
        save_policies(
            self.out,
            policies.parameters.cpu().numpy(),
            policies.spec,
            {
                "prompt": self.prompt,
                "read": asdict(self.read),
                "demonstrations": [prompt.label for prompt in prompts],
                "prompt_of_policy": [index % len(behaviors) for index in range(self.num)],
                "guidance": asdict(guidance) if guidance else None,
                "env_ids": [prompt.env_id for prompt in prompts],
                "prompts_without_success": flexible,
                "success_by_termination": ended,
                "unlike_training": oddities,
                "action_bounds": generator.config.action_bounds,
                "practised_tasks": practised,
                "generator": self.generator,
                "generator_sha256": generator.fingerprint,
                "seed": self.seed,
            },
        )
        print(
            f"{self.out}: {count(len(policies), 'policy', 'policies')} of"
            f" {policies.spec.num_parameters:,} parameters from"
            f" {count(len(prompts), 'demonstration')} in {seconds:.2f} s"
        )

    def _note_units(
        self, generator: "MakeAnAgent", prompts: list["Trajectory"]
    ) -> list["Trajectory"]:
        """The demonstrations with actions in [-1, 1]; says where they were not."""
        from makeanagent.cli.notes import print_notes
        from makeanagent.trajectories.units import bring_to_units

        found = [bring_to_units(prompt, generator.config.space) for prompt in prompts]
        print_notes([each.note for each in found if each.note])
        return [each.trajectory for each in found]

    def _note_terminations(self, prompts: list["Trajectory"]) -> list[int]:
        """Say where an episode's end was taken for success, and return those numbers."""
        from makeanagent.trajectories.success import TERMINATION

        ended = [i for i, each in enumerate(prompts) if (each.source or "").endswith(TERMINATION)]
        if ended:
            print(
                f"note: {count(len(ended), 'demonstration')} of {self.prompt}: no success is"
                " recorded; the episode's termination is taken for it"
            )
        return ended

    def _note_oddities(
        self, generator: "MakeAnAgent", prompts: list["Trajectory"]
    ) -> list[list[dict[str, Any]]] | None:
        """Say what in each demonstration is unlike training, and return it as plain values."""
        from dataclasses import asdict

        judgements = generator.judge_familiarity(prompts)
        if judgements is None:
            return None
        for index, judgement in enumerate(judgements):
            which = f"demonstration {index} of {self.prompt}"
            if judgement.findings:
                print(
                    f"warning: {which} is unlike what the generator was trained on; do not rely"
                    " on these policies untested:"
                )
            for finding in judgement.findings:
                print(f"  {finding}")
            for note in judgement.notes:
                print(f"note: {which} hides the {note.subject}, as training did by chance")
        return [[asdict(finding) for finding in each.findings + each.notes] for each in judgements]

    def _note_practised(
        self, generator: "MakeAnAgent", prompts: list["Trajectory"]
    ) -> list[str | None]:
        """Say which demonstrations are of tasks that were practised; the task of each prompt."""
        found = generator.recognise([prompts] if self.together else prompts)
        for task in dict.fromkeys(task for task in found if task):
            number = len(prompts) if self.together else found.count(task)
            print(
                f"note: {count(number, 'demonstration')} of {self.prompt}: recognised as {task},"
                " which training practised; their policies are those of practice"
            )
        return found

    def _note_failures(self, generator: "MakeAnAgent", prompts: list["Trajectory"]) -> list[int]:
        """Say which demonstrations show no success, and return their numbers."""
        config = generator.config
        flexible = [
            index
            for index, prompt in enumerate(prompts)
            if config.reads_success and prompt.first_success is None
        ]
        for index in flexible:
            print(
                f"note: demonstration {index} of {self.prompt} shows no success;"
                f" {config.words_without_success}"
            )
        return flexible
