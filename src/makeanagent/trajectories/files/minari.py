"""Demonstrations as Minari datasets, the Gymnasium world's standard for offline data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from makeanagent.artifacts import atomic_path, describe_error, read_json, require_empty_folder
from makeanagent.errors import InputError
from makeanagent.trajectories.files.format import Format
from makeanagent.trajectories.success import TERMINATION, read_flags
from makeanagent.trajectories.trajectory import Trajectory

if TYPE_CHECKING:
    import h5py
    from minari import EpisodeData, MinariDataset

_METADATA_NAME = "metadata.json"
_SUCCESS_KEYS = ("success", "is_success")
_TEXT_FIELDS = ("env_id", "source")
_TEXTS_KEY = "makeanagent"
_MAX_DEFLATE = 1032
"""Bytes that one byte of deflate can hold at most."""


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
    """Read all episodes of the Minari dataset in `folder`.

    Success is read from the infos `success` or `is_success`; where there is neither, an episode's
    termination counts as success, and the trajectory's `source` says so.

    Raises:
        InputError: it is no Minari dataset, is damaged, or its observations or actions are not
            plain vectors.
    """
    data = _data_folder(folder)
    metadata = read_json(data / _METADATA_NAME)
    # Without its spaces Minari would build the dataset's simulator to ask it for them.
    if not isinstance(metadata, dict) or not metadata.keys() >= {
        "observation_space",
        "action_space",
    }:
        raise InputError(f"{data / _METADATA_NAME}: names no observation and action space")
    try:
        return _load_episodes(folder, data, metadata.get(_TEXTS_KEY))
    except InputError:
        raise
    except Exception as error:
        # A damaged dataset makes Minari and HDF5 raise many types.
        raise InputError(
            f"{folder}: not readable as a Minari dataset: {describe_error(error)}"
        ) from None


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
    widths = {(item.observations.shape[1], item.actions.shape[1]) for item in trajectories}
    if len(widths) != 1:
        raise InputError(
            f"{folder}: a Minari dataset holds one or more trajectories of the same observation"
            f" and action width, got widths {sorted(widths)}"
        )
    observation_space, action_space = (
        Box(-np.inf, np.inf, (width,), np.float32) for width in widths.pop()
    )
    # Minari takes a relative path for relative to itself.
    path = (folder / "data").resolve()
    with atomic_path(path) as temporary:
        _check_room(temporary, trajectories)
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


def _check_room(path: Path, trajectories: Sequence[Trajectory]) -> None:
    """Fill a file of the coming dataset's size, since HDF5 brings the process down on a full disk.

    Raises:
        OSError: there is no room.
    """
    # Twice the numbers for half-filled chunks, and 64 KiB of HDF5's own records an episode.
    num_bytes = sum(
        2 * (item.observations.nbytes + item.actions.nbytes + 8 * len(item)) + 2**16
        for item in trajectories
    )
    with path.open("wb") as stream:
        for start in range(0, num_bytes, 2**20):
            stream.write(bytes(min(2**20, num_bytes - start)))
    path.unlink()


def _check_sizes(path: Path) -> None:
    """Check that no array claims more than the file can hold, before memory is set aside for it.

    Raises:
        InputError: one does; the file is damaged.
    """
    import h5py

    def check(name: str, item: "h5py.Group | h5py.Dataset") -> None:
        if not isinstance(item, h5py.Dataset):
            return
        is_compressed = item.id.get_create_plist().get_nfilters() > 0
        capacity = item.id.get_storage_size() * (_MAX_DEFLATE if is_compressed else 1)
        if item.nbytes > capacity:
            raise InputError(f"{path}: damaged: '{name}' claims more numbers than the file holds")

    with h5py.File(path, "r") as file:
        file.visititems(check)


def _load_episodes(folder: Path, data: Path, texts: Any) -> list[Trajectory]:  # noqa: ANN401
    """The trajectories of a dataset; `texts` is what `save_minari` noted, if anything."""
    import minari
    from gymnasium.spaces import Box

    for path in data.glob("*.hdf5"):
        _check_sizes(path)
    dataset = minari.MinariDataset(data)
    for role, space in (
        ("observation", dataset.observation_space),
        ("action", dataset.action_space),
    ):
        if not isinstance(space, Box) or len(space.shape) != 1:
            shape = f" {space.shape}" if isinstance(space, Box) else ""
            raise InputError(
                f"{folder}: {role} space {type(space).__name__}{shape} of Minari dataset"
                f" {dataset.id} is not accepted; record it with a Box of one axis, [width]"
            )
    trajectories = [
        _convert_episode(episode, texts, dataset, f"{folder}, episode {episode.id}")
        for episode in dataset.iterate_episodes()
    ]
    if not trajectories:
        raise InputError(f"{folder}: Minari dataset {dataset.id} holds no episode")
    return trajectories


def _convert_episode(
    episode: "EpisodeData",
    texts: Any,  # noqa: ANN401
    dataset: "MinariDataset",
    name: str,
) -> Trajectory:
    """One episode as a trajectory; `name` is what errors call it."""
    env_id = dataset.env_spec.id if dataset.env_spec is not None else None
    source = f"minari:{dataset.id}"
    infos = episode.infos or {}
    key = next((key for key in _SUCCESS_KEYS if key in infos), None)
    if key is not None:
        success = _read_flags(infos[key], len(episode.actions), f"{name}: info '{key}'")
    else:
        success = episode.terminations
        if np.any(success):
            source += TERMINATION
    return Trajectory(
        observations=episode.observations,
        actions=episode.actions,
        success=success,
        env_id=_find_text(texts, "env_id", int(episode.id)) or env_id,
        source=_find_text(texts, "source", int(episode.id)) or source,
        name=name,
    )


def _find_text(texts: Any, field: str, index: int) -> str | None:  # noqa: ANN401
    """A text that `save_minari` noted of an episode, or None."""
    try:
        text = texts[field][index]
    except (IndexError, KeyError, TypeError):
        return None
    return text if isinstance(text, str) else None


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


MINARI = Format(
    words="a folder with a Minari dataset or minari:<dataset id>",
    recognizes=is_minari,
    read=load_minari,
    scheme="minari",
    find=find_minari,
)
