"""README's picture, by its command and on a small scale."""

from pathlib import Path

import numpy as np
import pytest
from benchmarks.__main__ import main
from benchmarks.experiments import picture
from PIL import Image

from makeanagent.errors import InputError
from makeanagent.rollouts.film import Film

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Draws without a simulator's picture, or with one that is made up."""
    out = tmp_path / "demo.png"
    monkeypatch.chdir(ROOT)

    def draw(film):
        def film_episode(suite, task, layout, actions):
            if film is None:
                raise InputError("no film: no library")
            return film

        monkeypatch.setattr(picture, "film_episode", film_episode)
        command = ["picture", "--num", "2", "--layouts", "1", "--out", str(out)]
        assert main(command) == 0
        return Image.open(out), capsys.readouterr().out

    return draw


def test_paths_alone_and_with_frames(run, tmp_path):
    paths, said = run(None)
    assert "without frames of the scene: no film: no library" in said
    assert len(paths.getcolors()) > 20
    assert not (tmp_path / "demo.webp").exists()
    frames = np.full((7, 48, 48, 3), (250, 10, 10), np.uint8)
    frames[:, :, :24, 2] = 10 * np.arange(7)[:, None, None]
    whole, said = run(Film(frames=frames, steps=tuple(range(7))))
    assert "without frames" not in said
    assert whole.width == paths.width and whole.height > paths.height + 100
    red = (np.asarray(whole.convert("RGB")).astype(int) @ [1, -1, 0]) > 200
    with Image.open(tmp_path / "demo.webp") as moving:
        assert moving.n_frames == 7
    # Five frames side by side, below the paths.
    assert red[: paths.height].sum() == 0
    columns = red.any(axis=0).astype(int)
    assert (np.diff(columns) == 1).sum() == 5


def test_another_kind_of_picture_is_refused(capsys):
    assert main(["picture", "--out", "demo.svg"]) == 2
    assert "--out demo.svg: must end in .png" in capsys.readouterr().err
