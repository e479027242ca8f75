"""A population's state on disk, from which a killed run goes on.

The folder is on the disk of the process that trains, and nobody else reads it: a run of hours that
is stopped goes on there, and begins anew where another machine takes it over.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from makeanagent.artifacts import read_tensors, write_tensors
from makeanagent.rl.sac.history import Agent, Checkpoint, LivedEpisode, Record
from makeanagent.rl.sac.population import SACPopulation
from makeanagent.rl.sac.replay_buffer import ReplayBuffer
from makeanagent.trajectories.packing import pack_trajectories, unpack_trajectories
from makeanagent.trajectories.trajectory import Trajectory

_STATE = "state.safetensors"
_SAVE_SECONDS = 20.0
"""Time between two saves."""


class RunStore:
    """A run's state on disk: networks whole each time, and what only grows as chunks."""

    def __init__(self, folder: Path, agents: Sequence[Agent], suite: str) -> None:
        self._folder, self._agents, self._suite = folder, list(agents), suite
        self._saved_rounds = self._saved_checkpoints = self._saved_lived = 0
        self._rows: list[np.ndarray] = []
        self._last_save = time.monotonic()

    def save_if_due(self, population: SACPopulation, rows: np.ndarray, record: Record) -> None:
        """Note a round's transitions `[N, T, W]`, and save when the last time is long ago."""
        self._rows.append(rows)
        if time.monotonic() - self._last_save >= _SAVE_SECONDS:
            self.save(population, record)

    def save(self, population: SACPopulation, record: Record) -> None:
        """Write a chunk of what is new, then the networks: a chunk counts once they are there."""
        if self._rows:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_tensors(self._chunk(self._saved_rounds), self._pack(record))
            state = population.state_dict()
            state["num_rounds"] = np.array([record.num_rounds])
            write_tensors(self._folder / _STATE, state)
            self._note_saved(record)
        self._last_save = time.monotonic()

    def restore(self, population: SACPopulation, buffer: ReplayBuffer) -> Record:
        """Fill population and buffer with what was saved, and return the record."""
        record = Record()
        path = self._folder / _STATE
        if not path.is_file():
            shutil.rmtree(self._folder, ignore_errors=True)
            return record
        state = read_tensors(path)
        num_rounds = int(state.pop("num_rounds")[0])
        while record.num_rounds < num_rounds:
            arrays = read_tensors(self._chunk(record.num_rounds))
            buffer.add(arrays["rows"])
            self._unpack(arrays, record)
        population.load_state_dict(state)
        self._note_saved(record)
        return record

    def _chunk(self, first_round: int) -> Path:
        return self._folder / f"rounds-{first_round:06d}.safetensors"

    def _note_saved(self, record: Record) -> None:
        self._rows = []
        self._saved_rounds = record.num_rounds
        self._saved_checkpoints, self._saved_lived = len(record.checkpoints), len(record.lived)

    def _pack(self, record: Record) -> dict[str, np.ndarray]:
        arrays = {
            "rows": np.concatenate(self._rows, axis=1),
            "curve": np.stack(record.curve[self._saved_rounds :]),
        }
        checkpoints = record.checkpoints[self._saved_checkpoints :]
        lived = record.lived[self._saved_lived :]
        if checkpoints:
            arrays["parameters"] = np.stack([item.parameters for item in checkpoints])
            arrays |= pack_trajectories([item.rollout for item in checkpoints], "rollouts")
        if lived:
            arrays |= pack_trajectories([item.trajectory for item in lived], "lived")
        for name, items in (("rollouts", checkpoints), ("lived", lived)):
            arrays[f"{name}.agent"] = np.array(
                [self._agents.index(item.agent) for item in items], np.int64
            )
            arrays[f"{name}.step"] = np.array([item.step for item in items], np.int64)
        return arrays

    def _unpack(self, arrays: dict[str, np.ndarray], record: Record) -> None:
        record.curve += list(arrays["curve"])
        if "parameters" in arrays:
            columns = zip(*self._read(arrays, "rollouts"), arrays["parameters"], strict=True)
            record.checkpoints += [
                Checkpoint(agent=agent, step=step, rollout=rollout, parameters=parameters)
                for agent, step, rollout, parameters in columns
            ]
        if "lived.lengths" in arrays:
            record.lived += [
                LivedEpisode(agent=agent, step=step, trajectory=trajectory)
                for agent, step, trajectory in zip(*self._read(arrays, "lived"), strict=True)
            ]

    def _read(
        self, arrays: dict[str, np.ndarray], name: str
    ) -> tuple[list[Agent], list[int], list[Trajectory]]:
        agents = [self._agents[index] for index in arrays[f"{name}.agent"]]
        source = "zoo" if name == "rollouts" else "replay"
        trajectories = [
            replace(item, env_id=f"{self._suite}/{agent.task}")
            for agent, item in zip(
                agents, unpack_trajectories(arrays, name, None, source), strict=True
            )
        ]
        return agents, arrays[f"{name}.step"].tolist(), trajectories
