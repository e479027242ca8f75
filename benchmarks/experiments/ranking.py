"""What the success predictor is worth on tasks that neither it nor its generator was trained on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.origins import keep_known
from benchmarks.pages.tables import describe, share, table
from benchmarks.results import Settings, read_optional, write_result
from makeanagent.artifacts import hash_file, read_json
from makeanagent.models.guidance import GuidanceConfig
from makeanagent.training.candidates import CandidateConfig
from makeanagent.training.predictor import PredictorTraining


@dataclass(frozen=True, kw_only=True)
class Command:
    """What the success predictor of a training run is worth, as `train predictor` measured it."""

    run_folder: Path
    "A training run's folder, in which `train predictor` has run."
    note: str = ""
    "A sentence on this run, kept with its figures and shown with them."
    out: Path = Path("benchmarks/results/ranking.json")
    "The figures' file."

    def run(self) -> None:
        """Gather the figures and their settings, and write them."""
        found = read_json(self.run_folder / "predictor.json")
        played = read_json(self.run_folder / "candidates" / "settings.json")
        path = self.run_folder / "run.json"
        run = read_json(path)
        options = {
            "seed": run["config"]["seed"],
            "tasks": run["tasks"],
            "run_sha256": hash_file(path),
        }
        settings = {
            "options": options,
            "candidates": found["candidates"],
            "predictor": found["training"],
            "guidance": played["guidance"],
        }
        figures = {"report": found["report"]}
        write_result(self.out, "ranking", figures, settings, self.note, found["provenance"])


def resolve_settings(
    *, seed: int | None = None, tasks: Sequence[str] | None = None, run_sha256: str | None = None
) -> Settings:
    """What `train predictor` does by today's code, whatever run it is for.

    The hash is of `run.json`, which names the shards that were trained on by theirs.
    """
    return {
        "options": keep_known(seed=seed, tasks=tasks, run_sha256=run_sha256),
        "candidates": asdict(CandidateConfig()),
        "predictor": asdict(PredictorTraining()),
        "guidance": asdict(GuidanceConfig()),
    }


def write_page() -> str:
    """The section; empty without figures."""
    result = read_optional("ranking")
    return "" if result is None else write_ranking(result)


def write_ranking(result: dict[str, Any]) -> str:
    """What is chosen, and how far a predicted success holds, before and after calibration."""
    report, candidates = result["report"], result["settings"]["candidates"]
    chosen = [
        ["all candidates", share(report["success_mean"])],
        ["smallest error on the demonstration", share(report["success_error"])],
        ["highest predicted success", share(report["success_top"])],
        ["best by the very rollouts that score it", share(report["success_oracle"])],
    ]
    held = [
        ["Brier score", f"{report['brier_raw']:.3f}", f"{report['brier']:.3f}"],
        ["expected calibration error", f"{report['ece_raw']:.3f}", f"{report['ece']:.3f}"],
    ]
    return f"""## Choosing without the simulator

{report["num_candidates"]:,} guided candidates of {report["num_prompts"]} demonstrations, of tasks
that their generators were trained without ({candidates["num_folds"]} folds), on
{candidates["num_layouts"]} layouts each. The predictor, too, is judged on tasks that neither it nor
its calibration has seen.

{table(["chosen among a demonstration's candidates", "success"], chosen)}

Rank correlation within a demonstration's candidates {report["spearman_within"]:.2f} (by
demonstration error alone {report["spearman_within_error"]:.2f}), over all candidates
{report["spearman_all"]:.2f}. How far a predicted success holds; less is better:

{table(["predicted success", "before calibration", "after"], held)}

{describe(result, resolve_settings)}

"""
