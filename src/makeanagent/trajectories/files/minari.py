"""Demonstrations as Minari datasets, the Gymnasium world's standard for offline data."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from makeanagent.artifacts import atomic_path, describe_error, read_json, require_empty_folder
from makeanagent.errors import InputError
from makeanagent.read_options import ReadOptions
from makeanagent.trajectories.files.columns import choose_columns, join_columns
from makeanagent.trajectories.files.format import Format, reading, require_same_widths
from makeanagent.trajectories.files.hdf5 import check_room, list_arrays
from makeanagent.trajectories.success import DONE, REWARD, TERMINATION, read_flags, read_rewards
from makeanagent.trajectories.trajectory import Trajectory

if TYPE_CHECKING:
    import h5py
    from gymnasium.spaces import Space

_METADATA_NAME = "metadata.json"
_SUCCESS_KEYS = ("success", "is_success")
_TEXT_FIELDS = ("env_id", "source", "task")
_TEXTS_KEY = "makeanagent"


def is_minari(folder: Path) -> bool:
    """Whether `folder` is a Minari dataset: it, or its `data`, holds Minari's metadata."""
    return (_data_folder(folder) / _METADATA_NAME).is_file()


def find_minari(dataset_id: str) -> Path:
    """The folder of a dataset that Minari has on this machine; nothing is downloaded.

    Raises:
        InputError: the id is malformed, or the dataset is not here.
    """
    from minari.storage import get_dataset_path

    _check_id(dataset_id)
    try:
        folder = get_dataset_path(dataset_id)
    except OSError as error:
        raise InputError(f"minari:{dataset_id}: {describe_error(error)}") from None
    if not is_minari(folder):
        raise InputError(
            f"minari:{dataset_id}: not in {folder}; `minari download {dataset_id}` fetches it"
        )
    return folder


def load_minari(folder: Path) -> list[Trajectory]:
    """All episodes of the Minari dataset in `folder`.

    Raises:
        InputError: it is no Minari dataset, is damaged, or its observations or actions are not
            plain vectors.
    """
    dataset = Minari(folder, ReadOptions())
    return [dataset.read(number) for number in dataset.numbers]


def save_minari(
    trajectories: Sequence[Trajectory],
    folder: Path,
    *,
    dataset_id: str = "makeanagent/demonstrations-v0",
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write trajectories as a Minari dataset into `folder`, which must be empty or absent.

    The rewards that Minari asks for are 1 where the task stands solved, else 0.

    Args:
        trajectories: one or more, all of the same widths.
        folder: where to; `folder/data` appears once it is whole.
        dataset_id: Minari's name of the dataset.
        notes: JSON values that go into the metadata besides, such as Minari's `description`.

    Raises:
        InputError: the folder holds files, cannot be written, or the trajectories do not match.
    """
    import minari
    from gymnasium.spaces import Box
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    require_empty_folder(folder)
    _check_id(dataset_id)
    require_same_widths(trajectories, folder, "a Minari dataset")
    widths = trajectories[0].observations.shape[1], trajectories[0].actions.shape[1]
    observation_space, action_space = (
        Box(-np.inf, np.inf, (width,), np.float32) for width in widths
    )
    # Minari takes a relative path for relative to itself.
    path = (folder / "data").resolve()
    with atomic_path(path) as temporary:
        # Twice the numbers for half-filled chunks, and 64 KiB of HDF5's own records an episode.
        numbers = sum(
            item.observations.nbytes + item.actions.nbytes + 8 * len(item) for item in trajectories
        )
        check_room(temporary, 2 * numbers + 2**16 * len(trajectories))
        storage = MinariStorage.new(temporary, observation_space, action_space)
        # Texts go here and not to the episodes: HDF5 may crash on damaged texts of its own.
        texts = {name: [getattr(item, name) for item in trajectories] for name in _TEXT_FIELDS}
        storage.update_metadata(
            {
                **(notes or {}),
                "dataset_id": dataset_id,
                "minari_version": minari.__version__,
                _TEXTS_KEY: texts,
            }
        )
        try:
            storage.update_episodes(
                EpisodeBuffer(
                    observations=item.observations,
                    actions=item.actions,
                    rewards=item.success.astype(np.float32),
                    terminations=np.zeros(len(item), bool),
                    truncations=np.arange(1, len(item) + 1) == len(item),
                    infos={"success": np.concatenate([[False], item.success])},
                )
                for item in trajectories
            )
        except RuntimeError as error:
            # HDF5 reports what goes wrong while it closes a file so.
            raise OSError(describe_error(error)) from error
        for file in temporary.glob("*.hdf5"):
            _compress(file)


def _compress(path: Path) -> None:
    """Write an HDF5 file anew with one compressed chunk an array: a fifth of Minari's own size."""
    import h5py

    draft = path.with_suffix(".draft")
    with h5py.File(path) as old, h5py.File(draft, "w", libver="latest") as new:
        new.attrs.update(old.attrs)

        def copy(name: str, item: "h5py.Group | h5py.Dataset") -> None:
            if isinstance(item, h5py.Group):
                new.require_group(name).attrs.update(item.attrs)
                return
            options: dict[str, Any] = {}
            if item.size and item.shape:
                options = {"chunks": item.shape, "compression": "gzip", "shuffle": True}
            copied = new.create_dataset(name, data=item[()], **options)
            copied.attrs.update(item.attrs)

        old.visititems(copy)
    draft.replace(path)


def _data_folder(folder: Path) -> Path:
    """Where the files are: Minari keeps them in `data`, but that folder itself will do."""
    return folder / "data" if (folder / "data").is_dir() else folder


def _check_id(dataset_id: str) -> None:
    from minari.dataset.minari_dataset import parse_dataset_id

    try:
        parse_dataset_id(dataset_id)
    except (TypeError, ValueError):
        raise InputError(
            f"minari:{dataset_id}: not a Minari id, which looks like D4RL/door/human-v2"
        ) from None


class Minari(Format):
    """A Minari dataset.

    Success is read from the infos `success` or `is_success`; where there is neither, an episode's
    termination counts as success, and the trajectory's `source` says so. Its environment is not
    asked for anything.
    """

    name: ClassVar[str] = "minari"
    words: ClassVar[str] = "a folder with a Minari dataset or minari:<dataset id>"
    scheme: ClassVar[str | None] = "minari"
    unread = ("rewards", "terminations", "truncations", "infos other than success")

    def __init__(self, path: Path, options: ReadOptions) -> None:
        """Read the metadata."""
        if options.group is not None:
            raise InputError(f"{path}: a Minari dataset has no groups for --group")
        self.path, self._data, self._options = path, _data_folder(path), options
        metadata = read_json(self._data / _METADATA_NAME)
        # Without its spaces Minari would build the dataset's simulator to ask it for them.
        if not isinstance(metadata, dict) or not metadata.keys() >= {
            "observation_space",
            "action_space",
        }:
            raise InputError(
                f"{self._data / _METADATA_NAME}: names no observation and action space"
            )
        self._texts: Any = metadata.get(_TEXTS_KEY)
        with reading(str(path), "a Minari dataset"):
            self._open(metadata)

    def _open(self, metadata: Mapping[str, Any]) -> None:
        from minari import supported_dataset_versions
        from minari.dataset.minari_storage import MinariStorage

        # Not MinariDataset, which wants an environment spec that this Gymnasium understands.
        if metadata["minari_version"] not in supported_dataset_versions:
            raise InputError(
                f"{self.path}: made by Minari {metadata['minari_version']}, which the installed"
                " Minari does not read"
            )
        self._storage = MinariStorage.read(self._data)
        self._id = str(metadata["dataset_id"])
        self._env_id = _find_env_id(metadata.get("env_spec"))
        count = int(self._storage.total_episodes)
        if count > _count_entries(self._data):
            raise InputError(f"{self.path}: damaged: claims {count} episodes and holds fewer")
        if count < 1:
            raise InputError(f"{self.path}: Minari dataset {self._id} holds no episode")
        self.numbers = range(count)
        self._keys = self._choose_keys(self._storage.observation_space)
        if not _find_width(self._storage.action_space):
            self._refuse("action", self._storage.action_space)

    def _choose_keys(self, space: "Space") -> tuple[str, ...]:
        """Those of a Dict space that make up an observation; none of a space that is one."""
        from gymnasium.spaces import Dict

        if isinstance(space, Dict) and self._options.observation:
            widths = {name: width for name, part in space.items() if (width := _find_width(part))}
            return choose_columns(self._options.observation, widths, (), str(self.path))
        if not _find_width(space):
            self._refuse("observation", space)
        if self._options.observation:
            raise InputError(
                f"{self.path}: --observation names keys of a Dict space, and this is none"
            )
        return ()

    def _refuse(self, role: str, space: "Space") -> None:
        from gymnasium.spaces import Box, Dict

        shape = f" {space.shape}" if isinstance(space, Box) else ""
        advice = "record it with a Box of one axis, [width]"
        if role == "observation" and isinstance(space, Dict):
            names = " ".join(name for name, part in space.items() if _find_width(part))
            advice += f", or name keys in order: --observation {names}"
        raise InputError(
            f"{self.path}: {role} space {type(space).__name__}{shape} of Minari dataset"
            f" {self._id} is not accepted; {advice}"
        )

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether it is a dataset's folder, or the `data` within."""
        return is_minari(path)

    @classmethod
    def find(cls, name: str, options: ReadOptions) -> Path:
        """The folder of a dataset that Minari has on this machine."""
        return find_minari(name)

    def read(self, number: int) -> Trajectory:
        """An episode."""
        where = f"{self.path}, episode {number}"
        with reading(where, "a Minari dataset"):
            self._check_sizes(number)
            (episode,) = self._storage.get_episodes([number])
            success, ending = self._read_success(episode, where)
            observations = episode["observations"]
            if self._keys:
                chosen = {key: observations[key] for key in self._keys}
                observations = join_columns(chosen, where)
            return Trajectory(
                observations=observations,
                actions=episode["actions"],
                success=success,
                env_id=self._find_text("env_id", number) or self._env_id,
                source=f"{self._find_text('source', number) or f'minari:{self._id}'}{ending}",
                task=self._find_text("task", number),
                name=where,
            )

    def _check_sizes(self, number: int) -> None:
        """Refuse arrays that claim more than their file can hold."""
        import h5py

        for path in self._data.glob("*.hdf5"):
            with h5py.File(path, "r") as file:
                group = file.get(f"episode_{number}")
                if isinstance(group, h5py.Group):
                    list_arrays(group, path)

    def _read_success(self, episode: Mapping[str, Any], where: str) -> tuple[Any, str]:
        """An episode's success, and what its source adds about it."""
        if self._options.success == "reward":
            rewards = np.asarray(episode["rewards"])
            return read_rewards(rewards, f"{where}: rewards"), REWARD
        infos = episode["infos"] or {}
        if self._options.success == "done":
            return episode["terminations"], DONE
        key = next((key for key in _SUCCESS_KEYS if key in infos), None)
        if key is None:
            ends = episode["terminations"]
            return ends, TERMINATION if np.any(ends) else ""
        return _read_flags(infos[key], len(episode["actions"]), f"{where}: info '{key}'"), ""

    def _find_text(self, field: str, index: int) -> str | None:
        """A text that `save_minari` noted of an episode, or None."""
        try:
            text = self._texts[field][index]
        except (IndexError, KeyError, TypeError):
            return None
        return text if isinstance(text, str) else None

    @classmethod
    def write(cls, trajectories: Sequence[Trajectory], path: Path, fps: float | None) -> None:
        """Write a dataset."""
        save_minari(trajectories, path)


def _find_width(space: "Space") -> int | None:
    """How many numbers a vector of a space has; None where it has no vectors."""
    from gymnasium.spaces import Box

    return int(space.shape[0]) if isinstance(space, Box) and len(space.shape) == 1 else None


def _find_env_id(spec: Any) -> str | None:  # noqa: ANN401
    """The environment's id in the text of its spec, if there is one."""
    try:
        found = json.loads(spec)["id"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def _count_entries(data: Path) -> int:
    """The most episodes that a dataset's files can hold."""
    import h5py

    count = sum(path.is_dir() for path in data.iterdir())
    for path in data.glob("*.hdf5"):
        with h5py.File(path, "r") as file:
            count += len(file)
    return count


def _read_flags(values: Any, num_steps: int, where: str) -> np.ndarray:  # noqa: ANN401
    """Success `[T]` from an info of T entries, or of T + 1 where the first is the reset's.

    Raises:
        InputError: it has another shape, or does not hold numbers.
    """
    flags = np.asarray(values)
    if (
        flags.dtype.kind not in "biuf"
        or flags.size not in (num_steps, num_steps + 1)
        or len(flags) != flags.size
    ):
        raise InputError(
            f"{where}: {flags.dtype} of shape {flags.shape}; accepted is one flag or number for"
            f" each of the {num_steps} steps, with or without one for the reset"
        )
    return read_flags(flags.ravel()[-num_steps:], where)
