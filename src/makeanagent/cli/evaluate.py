"""`make-an-agent evaluate`: run a folder of policies in the simulator."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score policies by both protocols: the paper's, and held-out."""

    policies: Annotated[Path, tyro.conf.Positional]
    "Folder that `generate` wrote."
    env: str
    "Task, as `metaworld/window-close-v3`, `gymnasium/<id>` or `<my_suite.py>/<task>`."
    out: Path | None = None
    "JSON file for the result; by default `evaluation.json` beside the folder."
    layouts_per_policy: int = 5
    "How many of the 50 held-out layouts each policy plays."
    workers: int | None = None
    "Processes; by default one for each processor."

    def run(self) -> None:
        """Evaluate, write the JSON, and print the table."""
        import numpy as np

        from makeanagent.artifacts import describe_provenance, hash_file, write_json
        from makeanagent.cli.progress import show_progress
        from makeanagent.environments import find_task
        from makeanagent.errors import InputError
        from makeanagent.evaluation.protocols import ProtocolConfig, evaluate_policies
        from makeanagent.evaluation.tables import print_evaluation
        from makeanagent.parallel import open_pool
        from makeanagent.policies.folder import load_policies

        suite, task = find_task(self.env)
        parameters, spec, metadata = load_policies(self.policies)
        widths = (spec.observation_dim, spec.action_dim)
        if suite.spaces(task) != widths:
            raise InputError(
                f"{self.policies}: policies map {widths[0]} numbers to {widths[1]}, but {self.env}"
                f" has observations of {suite.spaces(task)[0]} and actions of"
                f" {suite.spaces(task)[1]}"
            )
        if not 1 <= self.layouts_per_policy <= ProtocolConfig().held_out_layouts:
            raise InputError(
                f"--layouts-per-policy {self.layouts_per_policy}: must be 1 to"
                f" {ProtocolConfig().held_out_layouts}"
            )
        config = ProtocolConfig(layouts_per_policy=self.layouts_per_policy)
        # The first sample of a prompt is the first policy that it prompted.
        prompt_of = metadata.get("prompt_of_policy", list(range(len(parameters))))
        _, first_samples = np.unique(prompt_of, return_index=True)
        if len(first_samples) == 1:
            # One demonstration: all its samples stand for it, none of them chosen.
            first_samples = np.arange(len(parameters))
        total = (
            len(parameters) * (config.paper_layouts + config.selection_layouts)
            + len(first_samples) * config.layouts_per_policy
            + min(5, len(parameters)) * config.held_out_layouts
        )
        with open_pool(self.workers) as pool, show_progress(f"{task}: rollouts", total) as advance:
            result = evaluate_policies(
                pool, suite, task, parameters, spec, config, first_samples, advance
            )
        result["policies_sha256"] = hash_file(self.policies / "policies.safetensors")
        result["provenance"] = describe_provenance()
        out = self.out or self.policies.with_name(f"{self.policies.name}-evaluation.json")
        write_json(out, result)
        print_evaluation(result)
        print(f"written: {out}")
