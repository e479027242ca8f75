"""Zip files of strangers: nothing lands outside, and nothing grows beyond what is allowed."""

import zipfile

import pytest

from makeanagent.errors import InputError
from makeanagent.web.archives import pack, unpack

MOST = 10_000


def write(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("members", "match"),
    [
        ({"../outside.txt": "x"}, "'../outside.txt' leads out of the zip file"),
        ({"a/../../outside.txt": "x"}, "leads out"),
        ({"/outside.txt": "x"}, "leads out"),
        ({"C:outside.txt": "x"}, "leads out"),
        ({"..\\outside.txt": "x"}, "leads out"),
        ({"zeros": bytes(MOST + 1)}, "0 MB unpacked; at most 0 MB are taken"),
        ({f"zeros-{number}": bytes(MOST // 10) for number in range(11)}, "MB unpacked"),
        ({f"{number}": "" for number in range(5001)}, "holds 5001 files; at most 5000"),
        ({"a": "a file", "a/b": "in a file"}, "cannot be unpacked"),
    ],
)
def test_hostile_archives_are_refused_and_leave_nothing(tmp_path, members, match):
    path = write(tmp_path / "mine.zip", members)
    with pytest.raises(InputError, match=match):
        unpack(path, tmp_path / "unpacked", MOST)
    assert [each.name for each in tmp_path.iterdir()] == ["mine.zip"]


def test_other_methods_than_deflate_are_refused(tmp_path):
    path = write(tmp_path / "mine.zip", {"a": bytes(100)}, zipfile.ZIP_LZMA)
    with pytest.raises(InputError, match="neither stored nor deflated"):
        unpack(path, tmp_path / "unpacked", MOST)


def test_encrypted_and_damaged_ones_are_refused(tmp_path):
    path = write(tmp_path / "mine.zip", {"a": bytes(100)})
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\x01\x02")
    content[central + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="'a' is encrypted"):
        unpack(path, tmp_path / "unpacked", MOST)
    path.write_bytes(content[:-10])
    with pytest.raises(InputError, match="not readable as a zip file"):
        unpack(path, tmp_path / "unpacked", MOST)


def test_a_member_that_hides_its_size_is_cut_there(tmp_path):
    path = write(tmp_path / "mine.zip", {"a": bytes(1_000_000)})
    content = path.read_bytes().replace(
        (1_000_000).to_bytes(4, "little"), (5).to_bytes(4, "little")
    )
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be unpacked"):
        unpack(path, tmp_path / "unpacked", MOST)
    assert not (tmp_path / "unpacked").exists()


def test_content_begins_below_folders_of_one(tmp_path):
    path = write(tmp_path / "mine.zip", {"set/data/a": "1", "set/data/b": "2", "__MACOSX/x": ""})
    assert unpack(path, tmp_path / "unpacked", MOST) == tmp_path / "unpacked" / "set" / "data"


def test_a_folder_is_packed_under_its_name(tmp_path):
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "policies.json").write_text("{}")
    (tmp_path / "again.zip").write_bytes(pack(folder))
    with zipfile.ZipFile(tmp_path / "again.zip") as archive:
        assert archive.namelist() == ["policies/policies.json"]
