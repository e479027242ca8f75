"""`make-an-agent record`: make a demonstration with a task's expert."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Record:
    """Let a task's expert act, and keep what it shows as a demonstration for `generate`.

    Example: make-an-agent record --env metaworld/window-close-v3 --out demo.npz
    """

    goes_on: ClassVar[bool] = False
    "It is done from the start again after a stop."

    env: str
    "Task to show: metaworld/reach-v3, robosuite/lift-panda, procedural/7, my_suite.py/my_task."
    out: Path
    "File to write, .npz; with --num above 1 a folder for such files. Nothing is overwritten."
    num: int = 1
    "How many demonstrations to record, each on another layout."
    layout: int = 0
    "Layout to begin with, by its number among those set aside for demonstrations."
    noise: float = 0.1
    "Standard deviation of the Gaussian noise that is added to the expert's actions."
    seed: int = 0
    "Seed of that noise."

    def run(self) -> None:
        """Record, and say what was recorded."""
        import numpy as np

        from makeanagent.artifacts import require_empty_folder
        from makeanagent.cli.checks import require_absent, require_at_least
        from makeanagent.errors import InputError
        from makeanagent.rollouts.actors import add_action_noise
        from makeanagent.rollouts.episodes import record_episode
        from makeanagent.suites import find_task, layouts
        from makeanagent.trajectories import PromptWindow

        require_at_least("--num", self.num, 1)
        require_at_least("--layout", self.layout, 0)
        require_at_least("--noise", self.noise, 0)
        require_at_least("--seed", self.seed, 0)
        if self.layout + self.num > len(layouts.PROMPTS):
            raise InputError(
                f"--layout {self.layout} --num {self.num}: layouts for prompts are numbered"
                f" 0 to {len(layouts.PROMPTS) - 1}"
            )
        if self.num > 1:
            require_empty_folder(self.out)
        elif self.out.suffix != ".npz":
            raise InputError(f"--out {self.out}: a demonstration is a file that ends in .npz")
        else:
            require_absent("--out", self.out)
        suite, task = find_task(self.env)
        environment, expert = suite.make(task), suite.expert(task)
        needed = PromptWindow().num_steps
        for number in range(self.num):
            layout = layouts.PROMPTS[self.layout + number]
            rng = np.random.default_rng((self.seed, layout))
            trajectory = record_episode(
                environment,
                add_action_noise(expert, self.noise, rng),
                layout,
                env_id=f"{suite.name}/{task}",
                source="expert",
            )
            path = self.out if self.num == 1 else self.out / f"demo-{number:03d}.npz"
            trajectory.save(path)
            first = trajectory.first_success
            outcome = f"success at step {first}" if first else "no success"
            short = "" if len(trajectory) >= needed else f"; a prompt needs {needed} steps"
            print(f"{path}: {len(trajectory)} steps, {outcome}{short}")
        environment.close()
