import os
from pathlib import Path

import pytest

from wyh.errors import WyhError
from wyh.media.find import find_files, kind_by_name, read_list


@pytest.fixture
def tree(tmp_path):
    for name in ("b.mp4", "a.mp4", "deep/c.mkv", "deep/deeper/d.txt", ".hid.mp4", ".dir/e.mp4"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "in"


def names(paths, root):
    return [path.relative_to(root).as_posix() for path in paths]


def test_folders_are_looked_through_in_order_but_for_what_is_hidden(tree):
    named, found = find_files([tree], leave_out=tree.parent / "out")
    assert named == []
    assert names(found, tree) == ["a.mp4", "b.mp4", "deep/c.mkv", "deep/deeper/d.txt"]


def test_files_named_outright_are_taken_whatever_they_are(tree):
    given = [tree / "b.mp4", tree / ".hid.mp4", tree / "deep/deeper/d.txt"]
    named, found = find_files(given, leave_out=tree.parent / "out")
    assert (named, found) == (given, [])


def test_nothing_is_given_twice(tree):
    os.symlink(tree / "a.mp4", tree / "z_link.mp4")
    given = [tree, tree / "b.mp4", tree / "../in/b.mp4", tree / "deep"]
    named, found = find_files(given, leave_out=tree.parent / "out")
    assert names(named, tree) == ["b.mp4"]
    assert names(found, tree) == ["a.mp4", "deep/c.mkv", "deep/deeper/d.txt"]


def test_relative_names_become_absolute(tree, monkeypatch):
    monkeypatch.chdir(tree)
    named, found = find_files([Path("a.mp4"), Path("deep")], leave_out=Path("out"))
    assert named == [tree / "a.mp4"] and found[0] == tree / "deep/c.mkv"


@pytest.mark.parametrize(
    ("out", "left"),
    [
        ("deep", ["a.mp4", "b.mp4"]),
        ("deep/deeper", ["a.mp4", "b.mp4", "deep/c.mkv"]),
        ("b.mp4", ["a.mp4", "deep/c.mkv", "deep/deeper/d.txt"]),
        ("", ["a.mp4", "b.mp4", "deep/c.mkv", "deep/deeper/d.txt"]),
    ],
)
def test_what_is_written_is_not_read(tree, out, left):
    assert names(find_files([tree], leave_out=tree / out)[1], tree) == left


def test_an_output_that_is_named_as_an_input_is_one(tree):
    assert find_files([tree / "a.mp4"], leave_out=tree / "a.mp4")[0] == [tree / "a.mp4"]


def test_a_ring_of_links_ends(tree):
    os.symlink(tree, tree / "deep/ring")
    assert len(find_files([tree], leave_out=tree / "out")[1]) == 4


def test_what_is_not_there(tree):
    with pytest.raises(WyhError, match=r"gone\.mp4: no such file or directory"):
        find_files([tree, tree / "gone.mp4"], leave_out=tree)
    os.symlink(tree / "nowhere", tree / "broken.mp4")
    with pytest.raises(WyhError, match=r"broken\.mp4: no such file or directory"):
        find_files([tree / "broken.mp4"], leave_out=tree)


def test_a_list_names_files_and_folders_beside_it(tree):
    text = f"\ufeff# songs\r\n#EXTM3U\r\n\r\n ../b.mp4 \r\n{tree}/a.mp4\r\ndeeper\r\ngone.mp3\r\n"
    (tree / "deep/list.M3U").write_bytes(text.encode())
    given = [tree / "deep/list.M3U"]
    named, found = find_files(given, leave_out=tree / "out", lists=True)
    assert names(named, tree) == ["b.mp4", "a.mp4", "deep/gone.mp3"]
    assert names(found, tree) == ["deep/deeper/d.txt"]
    assert find_files(given, leave_out=tree / "out") == (given, [])


def test_a_list_may_hold_addresses_of_files_and_names_of_any_coding(tmp_path):
    name = os.fsdecode("müßig.mp3".encode("latin-1"))
    (tmp_path / "a.m3u8").write_bytes(b"file:///songs/My%20Song.mp3\n" + os.fsencode(name))
    assert read_list(tmp_path / "a.m3u8") == [Path("/songs/My Song.mp3"), tmp_path / name]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n# nothing\n", "names no files, wanted a path in each line"),
        (b"RIFF\0\0", "is no list of files: it is no text"),
    ],
)
def test_what_is_no_list(content, message, tmp_path):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(WyhError, match=message):
        read_list(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("kind", "endings"),
    [
        ("video", "mp4 m4v mov mkv webm avi ts mts m2ts mpg mpeg wmv flv ogv 3gp MP4 MkV"),
        ("audio", "wav mp3 flac m4a ogg opus aac WAV"),
        ("image", "jpg jpeg png webp gif bmp tiff heic avif JPG WebP"),
        ("text", "txt srt csv html"),
        ("application", "json zip pdf mp4.gz"),
        ("", "xyz 0001"),
    ],
)
def test_kinds(kind, endings):
    for ending in endings.split():
        assert kind_by_name(Path(f"some.name.{ending}")) == kind, ending
    assert kind_by_name(Path("README")) == ""
