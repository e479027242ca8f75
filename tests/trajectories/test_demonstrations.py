"""Demonstrations from a file, a folder or Minari, and errors that name what is wrong."""

import numpy as np
import pytest

from makeanagent.errors import InputError
from makeanagent.read_options import ReadOptions
from makeanagent.trajectories import (
    Trajectory,
    demonstrations,
    make_prompt,
    read_demonstrations,
)
from makeanagent.trajectories.files.minari import save_minari
from makeanagent.trajectories.files.npz import Npz


def make_trajectory(num_steps=60, **texts):
    return Trajectory(
        observations=np.full((num_steps + 1, 3), num_steps),
        actions=np.zeros((num_steps, 2)),
        success=np.zeros(num_steps),
        **texts,
    )


def assert_refused(path, *words):
    with pytest.raises(InputError) as caught:
        read_demonstrations(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_file(tmp_path, kind):
    make_trajectory(source="expert").save(tmp_path / "demo.npz")
    (found,) = read_demonstrations(kind(tmp_path / "demo.npz"))
    assert len(found) == 60
    assert found.source == "expert"


def test_a_folder_in_the_order_of_names(tmp_path):
    for num_steps, name in ((3, "b"), (4, "c"), (2, "a")):
        make_trajectory(num_steps).save(tmp_path / f"{name}.npz")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "metadata.json").touch()
    (tmp_path / ".d.npz.1.tmp").touch()
    assert [len(found) for found in read_demonstrations(tmp_path)] == [2, 3, 4]


def test_a_minari_folder(tmp_path):
    save_minari([make_trajectory(2), make_trajectory(3)], tmp_path / "demos")
    assert [len(found) for found in read_demonstrations(tmp_path / "demos")] == [2, 3]
    assert [len(found) for found in read_demonstrations(str(tmp_path / "demos/data"))] == [2, 3]


def test_a_minari_id(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    save_minari([make_trajectory(2)], tmp_path / "reach/expert-v1", dataset_id="reach/expert-v1")
    assert [len(found) for found in read_demonstrations("minari:reach/expert-v1")] == [2]
    assert_refused("minari:reach/expert-v2", "minari download")
    assert_refused("minari:../reach", "not a Minari id")
    assert_refused("minari:", "not a Minari id")


def test_a_folder_may_be_called_like_something_else(tmp_path, monkeypatch):
    (tmp_path / "demos.npz").mkdir()
    make_trajectory(3).save(tmp_path / "demos.npz" / "a.npz")
    assert [len(found) for found in read_demonstrations(tmp_path / "demos.npz")] == [3]
    (tmp_path / "minari").mkdir()
    monkeypatch.chdir(tmp_path)
    assert_refused("minari", "holds no demonstration")


def test_another_format_is_a_line(tmp_path, monkeypatch):
    class Lengths(Npz):
        words = "a text of lengths"
        scheme = "lengths"

        def __init__(self, path, options):
            self.path = path
            self.lengths = [int(word) for word in path.read_text().split()]
            self.numbers = range(len(self.lengths))

        def read(self, number):
            return make_trajectory(self.lengths[number])

        @classmethod
        def recognizes(cls, path):
            return path.suffix == ".txt"

        @classmethod
        def find(cls, name, options):
            return tmp_path / name

    monkeypatch.setattr(demonstrations, "FORMATS", (*demonstrations.FORMATS, Lengths))
    (tmp_path / "demo.txt").write_text("4 5")
    for name in (tmp_path / "demo.txt", "lengths:demo.txt"):
        assert [len(found) for found in read_demonstrations(name)] == [4, 5]
    (tmp_path / "demo.csv").touch()
    assert_refused(
        tmp_path / "demo.csv",
        "an .npz file, a folder of them, a folder with a Minari dataset or minari:<dataset id>,"
        " a folder with a LeRobotDataset or lerobot:<hub id>, a robomimic .hdf5 file, or a text of"
        " lengths",
    )


def test_what_cannot_be_read_is_named_with_what_can(tmp_path):
    assert_refused(tmp_path / "absent.npz", "no such file or folder", ".npz")
    assert_refused(tmp_path, "holds no demonstration", ".npz", "Minari")
    (tmp_path / "demo.csv").touch()
    assert_refused(tmp_path / "demo.csv", "not a demonstration", ".npz", "Minari")
    (tmp_path / "demo.npz").write_text("text")
    assert_refused(tmp_path / "demo.npz", "not an .npz file")


def test_one_bad_file_of_a_folder_is_named(tmp_path):
    make_trajectory().save(tmp_path / "a.npz")
    np.savez(
        tmp_path / "b.npz", observations=np.zeros((2, 1)), actions=np.ones((2, 1)), success=[0, 0]
    )
    with pytest.raises(InputError, match="^.*b.npz: 2 observations, 2 actions"):
        read_demonstrations(tmp_path)


def test_later_errors_name_the_file_too(tmp_path):
    make_trajectory(7, source="expert").save(tmp_path / "short.npz")
    with pytest.raises(InputError, match=r"^.*short\.npz: 7 steps are too few"):
        make_prompt(*read_demonstrations(tmp_path))
    save_minari([make_trajectory(7, source="expert")], tmp_path / "demos")
    with pytest.raises(InputError, match="^.*demos, episode 0: 7 steps are too few"):
        make_prompt(*read_demonstrations(tmp_path / "demos"))


def test_files_of_a_folder_by_number_and_without_bad_ones(tmp_path):
    for number in range(4):
        make_trajectory(number + 1).save(tmp_path / f"{number}.npz")
    found = read_demonstrations(tmp_path, ReadOptions(episodes=(2, 0)))
    assert [len(each) for each in found] == [3, 1]
    (tmp_path / "1.npz").write_text("text")
    with pytest.raises(
        InputError, match=r"1\.npz: not an \.npz file.*; --skip-bad goes on without it"
    ):
        read_demonstrations(tmp_path)
    notes = []
    found = read_demonstrations(tmp_path, ReadOptions(skip_bad=True), notes.append)
    assert [len(each) for each in found] == [1, 3, 4]
    assert len(notes) == 1 and notes[0].startswith(f"left out: {tmp_path}/1.npz: not an .npz file")
    with pytest.raises(InputError, match="no episode 4; there are 0, 1, 2, 3"):
        read_demonstrations(tmp_path, ReadOptions(episodes=(4,)))


def test_in_python_what_a_user_should_see_is_a_warning(tmp_path):
    make_trajectory(2).save(tmp_path / "a.npz")
    (tmp_path / "b.npz").touch()
    with pytest.warns(UserWarning, match=r"left out: .*b\.npz") as caught:
        read_demonstrations(tmp_path, ReadOptions(skip_bad=True))
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "options", [{"group": "train"}, {"observation": ("a",)}, {"success": "reward"}]
)
def test_options_that_npz_has_no_use_for_are_refused(tmp_path, options):
    make_trajectory().save(tmp_path / "a.npz")
    with pytest.raises(InputError, match="an .npz file has no --group"):
        read_demonstrations(tmp_path / "a.npz", ReadOptions(**options))


@pytest.mark.parametrize("form", ["npz", "minari", "robomimic"])
def test_what_is_to_be_done_comes_along(tmp_path, form):
    path = tmp_path / {"robomimic": "demos.hdf5"}.get(form, "demos")
    demonstrations.write_demonstrations(
        [make_trajectory(task="Reach"), make_trajectory()], path, form
    )
    assert [each.task for each in read_demonstrations(path)] == ["Reach", None]
