"""Recipe: give a trained generator its success predictor."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict
from typing import Any

from makeanagent.artifacts import describe_provenance
from makeanagent.evaluation.ranking import RankingReport
from makeanagent.suites import Suite
from makeanagent.training.candidates import CandidateConfig, load_candidates, play_candidates
from makeanagent.training.predictor import PredictorTraining, train_predictor
from makeanagent.training.run import TrainingRun


def train_ranking(
    run: TrainingRun,
    pool: Executor,
    suite: Suite,
    candidates: CandidateConfig,
    training: PredictorTraining,
    device: str,
    on_progress: Callable[[float, str], Any],
) -> RankingReport:
    """Play candidates of tasks left out, learn from them, and save the generator once more.

    Candidates stay in the run's folder, task by task: a killed run goes on with those that are
    missing.

    Args:
        run: its three stages are done.
        pool: worker processes for the rollouts.
        suite: the environments.
        candidates: sizes of the experiment.
        training: of the predictor.
        device: where the folds' generators are trained.
        on_progress: called with parts of the whole that are done, and a few words.

    Returns:
        What the predictor is worth on tasks that it was not trained on.

    Raises:
        InputError: a stage is missing, or there are too few tasks.
    """
    run.check_done()
    folder = run.folder / "candidates"
    play_candidates(
        pool, suite, run.zoo, run.tasks, folder, run.config, candidates, device, on_progress
    )
    run.forget_predictor()  # A new one learns on today's evidence.
    generator = run.assemble_generator()
    data = load_candidates(folder, run.zoo, run.tasks, generator, run.config, candidates)
    predictor, report = train_predictor(data, training, run.config.seed)
    notes = {
        "candidates": asdict(candidates),
        "training": asdict(training),
        "report": report.to_dict(),
        "provenance": describe_provenance(),
    }
    run.save_predictor(predictor, generator.config.evidence, notes)
    run.save_generator(anew=True)
    return report
