"""`make-an-agent demo`: one demonstration, policies, rollouts on new layouts, a report."""

from dataclasses import dataclass
from pathlib import Path

_STAGES = {
    "load": "loading the generator",
    "generate": "generating policies",
    "rollouts": "playing on new layouts",
    "film": "filming episodes",
    "report": "drawing the report",
}


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Generate policies from one demonstration, play them on new layouts, and write a report."""

    env: str | None = None
    "Task to play; by default the one that --prompt names, or metaworld/door-open-v3."
    prompt: Path | None = None
    "Your own demonstration, an .npz file; by default the bundled one of the task."
    num: int = 20
    "How many policies to generate."
    generator: str = "metaworld"
    "Generator to use: a bundled one, its folder, or a Hugging Face hub id."
    out: Path = Path("demo")
    "Folder to write to; files of an earlier demo are replaced, no others."
    seed: int = 0
    "Seed of the diffusion's noise: another one gives other policies."
    workers: int | None = None
    "How many processes play; by default one for each processor."

    def run(self) -> None:
        """Show each stage while it runs, and print what came of it."""
        from time import perf_counter

        from makeanagent.cli.checks import require_at_least
        from makeanagent.cli.progress import show_stages

        require_at_least("--num", self.num, 1)
        require_at_least("--seed", self.seed, 0)
        begin = perf_counter()
        with show_stages(_STAGES) as show:
            show("load", 0, 1)
            from makeanagent.demo import DemoConfig, run_demo
            from makeanagent.evaluation.tables import (
                format_interval,
                format_rate,
                print_evaluation,
                print_policies,
            )

            libraries = perf_counter() - begin
            config = DemoConfig(
                env=self.env,
                prompt=self.prompt,
                num_policies=self.num,
                generator=self.generator,
                out=self.out,
                seed=self.seed,
                num_workers=self.workers,
            )
            result = run_demo(config, show)

        print_policies(result.evaluation)
        print_evaluation(result.evaluation)
        rival = result.rival
        print(
            f"to compare:    {format_rate(rival['mean'])}"
            f" ({format_interval(rival['interval_95'])}) by {rival['label']}:"
            f" {rival['seconds']:.1f} s of training, {rival['num_rollouts']} held-out layouts"
        )
        for name, text in result.facts.items():
            print(f"{name + ':':15}{text}")
        seconds = {"libraries": libraries} | result.seconds
        parts = ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items())
        print(f"time:          {sum(seconds.values()):.0f} s: {parts}")
        if not result.scenes:
            print(result.film_text)
        print(f"report:        {result.report}")
