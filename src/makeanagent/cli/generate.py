"""`make-an-agent generate`: from demonstrations on disk to a folder of policies."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Generate:
    """Generate policies from a demonstration."""

    prompt: str
    "Demonstration: an .npz file, a folder of them, a Minari dataset's folder, or minari:<id>."
    out: Path
    "Folder for the policies; empty or new."
    num: int = 100
    "Policies in all; with several demonstrations they are prompted by turns."
    generator: str = "metaworld"
    "Bundled generator, folder, or Hugging Face hub id."
    seed: int = 0
    "Of the diffusion's noise."
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def run(self) -> None:
        """Generate, save, and say how long it took."""
        from makeanagent.artifacts import require_empty_folder
        from makeanagent.cli.checks import require_at_least

        require_at_least("--num", self.num, 1)
        require_at_least("--seed", self.seed, 0)
        require_empty_folder(self.out)

        from time import perf_counter

        from makeanagent.generator import MakeAnAgent
        from makeanagent.policies.folder import save_policies
        from makeanagent.trajectories.demonstrations import read_demonstrations
        from makeanagent.trajectories.prompt import make_prompt

        prompts = read_demonstrations(self.prompt)
        generator = MakeAnAgent.from_pretrained(self.generator, self.device)
        begin = perf_counter()
        policies = generator.generate(prompts, self.num, self.seed)
        seconds = perf_counter() - begin
        window = generator.config.window
        flexible = [
            index
            for index, prompt in enumerate(prompts)
            if not make_prompt(prompt, window).has_success
        ]
        for index in flexible:
            print(
                f"note: demonstration {index} of {self.prompt} shows no success; its last"
                f" {window.num_outcome_states} states stand in for the outcome"
            )
        save_policies(
            self.out,
            policies.parameters.cpu().numpy(),
            policies.spec,
            {
                "prompt": self.prompt,
                "prompt_of_policy": [index % len(prompts) for index in range(len(policies))],
                "env_ids": [prompt.env_id for prompt in prompts],
                "prompts_without_success": flexible,
                "generator": self.generator,
                "generator_sha256": generator.fingerprint,
                "seed": self.seed,
            },
        )
        print(
            f"{self.out}: {len(policies)} policies of {policies.spec.num_parameters:,} parameters"
            f" from {len(prompts)} demonstration(s) in {seconds:.2f} s"
        )
