"""`python -m benchmarks`: the experiments, each of which writes one file of figures.

An experiment is a module of `benchmarks/experiments` with a `Command` (its options and `run`),
`resolve_settings` (what today's code makes of the options kept with its figures) and `write_page`
(its sections of docs/results.md), and a line here.
"""

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from makeanagent.cli import run_verb

_PROG = "python -m benchmarks"


class Experiment(NamedTuple):
    """One line of the list."""

    name: str
    "Of the module, and on the command line."
    about: str
    "What it measures."
    picture: str | None = None
    "What it makes, where that is a picture alone."

    @property
    def result(self) -> str:
        """The file that it writes."""
        return self.picture or f"benchmarks/results/{self.name}.json"

    def load(self) -> ModuleType:
        """Its module, with all that this imports."""
        return import_module(f"benchmarks.experiments.{self.name}")


EXPERIMENTS = (
    Experiment("table4", "the paper's Table 4, for both zoos and every source of prompts"),
    Experiment("figure5", "the paper's figures 5 and 6: best policies over the number of prompts"),
    Experiment("figure7", "the paper's figure 7: noise on the actions in the prompts"),
    Experiment("alignment", "SAC zoos as they are, aligned, and with a shared beginning"),
    Experiment("sac", "population SAC against Stable-Baselines3's: returns and speed"),
    Experiment("unseen", "new tasks: guidance, selection, every rival, curves"),
    Experiment("folds", "all fifty tasks left out once: goal shown and hidden, controls beside"),
    Experiment("novelty", "distances to training policies, copying, success against novelty"),
    Experiment("representation", "what autoencoder and embedding keep of held-out runs"),
    Experiment("scaling", "drawn tasks alone: their number, networks' width, parts left out"),
    Experiment("samples", "latent diffusion against the one-step form, on drawn tasks"),
    Experiment("zoo", "how many of a zoo's policies are qualified"),
    Experiment("dataset", "a published zoo: success and task from weights, new policies"),
    Experiment("robosuite", "experts of every task, arm and form; speed against robosuite's own"),
    Experiment("transfer", "generators of the Panda's tasks on other arms, and for new amounts"),
    Experiment("finetune", "SAC from a generated, a cloned and a new actor: steps to success"),
    Experiment("fuzz", "damaged and mistaken files of every kind: read, or refused in one line"),
    Experiment("speed", "generation, batches, rollouts, start-up"),
    Experiment("picture", "a demonstration, and policies made from it", "docs/images/demo.png"),
)
"""In the order of their sections in docs/results.md."""


def list_experiments() -> str:
    """A line for each: name, what it measures, and its file."""
    width = max(len(experiment.name) for experiment in EXPERIMENTS)
    return "\n".join(f"{e.name:{width}}  {e.about} ({e.result})" for e in EXPERIMENTS)


def main(arguments: list[str] | None = None) -> int:
    """Run one experiment and return the exit code, as `makeanagent.cli.main` does."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name, options = (arguments or ["--help"])[0], arguments[1:]
    usage = f"usage: {_PROG} NAME [options], or NAME --help; the experiments (--list):"
    if name == "--list":
        _show(list_experiments())
        return 0
    if name in ("-h", "--help"):
        _show(f"{usage}\n{list_experiments()}")
        return 0
    found = next((experiment for experiment in EXPERIMENTS if experiment.name == name), None)
    if found is None:
        print(f"{_PROG}: error: {name}: no experiment; {_PROG} --list names them", file=sys.stderr)
        return 2
    return run_verb(lambda _: found.load().Command, f"{_PROG} {name}", found.about, options)


def _show(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # The reader has seen enough (`| head`); nothing more may be written, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
