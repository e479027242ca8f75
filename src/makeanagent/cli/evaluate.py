"""`make-an-agent evaluate`: run a folder of policies in the simulator."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Play policies on new layouts, and score them by two protocols: the paper's and held-out.

    Run it again to go on after a stop.

    Example: make-an-agent evaluate policies --env metaworld/window-close-v3
    """

    policies: Annotated[Path, tyro.conf.Positional]
    "Folder of policies, as `generate` writes it."
    env: str
    "Task to play: metaworld/reach-v3, robosuite/lift-panda, procedural/7, my_suite.py/my_task."
    out: Path | None = None
    "JSON file to write, a new one; by default <folder>-<task>.json beside the folder."
    layouts_per_policy: int = 5
    "How many of the 50 held-out layouts each policy plays, 1 to 50."
    workers: int | None = None
    "How many processes play; by default one for each processor."

    def run(self) -> None:
        """Evaluate, print the table, and write the JSON."""
        from dataclasses import asdict

        import numpy as np

        from makeanagent.artifacts import describe_provenance, hash_file, write_json
        from makeanagent.cli.checks import require_absent
        from makeanagent.cli.progress import show_progress
        from makeanagent.evaluation.protocols import (
            ProtocolConfig,
            count_rollouts,
            evaluate_policies,
            require_widths,
        )
        from makeanagent.evaluation.tables import print_evaluation
        from makeanagent.parallel import open_pool
        from makeanagent.policies.folder import TENSORS_NAME, load_policies
        from makeanagent.policies.policy import Policy
        from makeanagent.rollouts.blocks import KeptBlocks
        from makeanagent.suites import find_task

        config = ProtocolConfig(layouts_per_policy=self.layouts_per_policy)
        parameters, spec, metadata = load_policies(self.policies)
        suite, task = find_task(self.env)
        require_widths(self.policies, spec, suite, task)
        folder = self.policies.resolve()
        # Before the rollouts, which may take long: the result must have a place to go.
        out = self.out or folder.with_name(f"{folder.name}-{task.replace('/', '-')}.json")
        require_absent("--out", out)
        # The first sample of a prompt is the first policy that it prompted.
        prompt_of = metadata.get("prompt_of_policy", list(range(len(parameters))))
        _, first_samples = np.unique(prompt_of, return_index=True)
        if len(first_samples) == 1:
            # One demonstration: all its samples stand for it, none of them chosen.
            first_samples = np.arange(len(parameters))
        policies = [Policy(vector, spec) for vector in parameters]
        total = count_rollouts(config, len(parameters), len(first_samples))
        provenance, sha256 = describe_provenance(), hash_file(self.policies / TENSORS_NAME)
        settings = {
            "env": self.env,
            "config": asdict(config),
            "first_samples": first_samples.tolist(),
            "policies_sha256": sha256,
            "suite_sha256": hash_file(Path(suite.name)) if suite.name.endswith(".py") else None,
            "code": [provenance["git_commit"], provenance["versions"]],
        }
        kept = KeptBlocks(out.with_name(f".{out.name}.begun"), settings)
        with (
            open_pool(self.workers) as pool,
            show_progress(f"{task}: rollouts", total, kept.num_rollouts) as advance,
        ):
            result = evaluate_policies(
                pool, suite, task, policies, config, first_samples, advance, kept
            )
        print_evaluation(result)
        write_json(out, result | {"policies_sha256": sha256, "provenance": provenance})
        kept.remove()
        print(f"written: {out}")
