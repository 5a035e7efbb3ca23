"""The whole film of which the bundled half minute is a part: ten minutes of footage with sound.

    python -m benchmarks.film --out DIR

Fetches the source distribution of moviepy from the package index that pip is set up for (58 MB),
takes the film out of it and prints its path last. It is not fetched again where it lies already.
Train on it with `--data DIR/big_buck_bunny.mp4`.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from wyh.cli import run as run_command
from wyh.errors import WyhError

PACKAGE = "moviepy==2.2.1"
ARCHIVE = "moviepy_10_minutes.zip"  # inside the distribution
MEMBER = "resources/bbb.mp4"  # inside the archive
NAME = "big_buck_bunny.mp4"

LICENCE = (
    "Big Buck Bunny: (c) copyright 2008, Blender Foundation / www.bigbuckbunny.org; "
    "Creative Commons Attribution 3.0, https://creativecommons.org/licenses/by/3.0/\n"
)


@dataclass(frozen=True)
class Options:
    """Fetch the whole film for the longer figures."""

    out: Path  # the directory to put it into


def unpack(distribution: Path, out: Path) -> None:
    """Take the film out of the archive in a source distribution.

    Args:
      distribution: `.tar.gz`.
      out: the file to write; it appears when it is whole.

    Raises:
      WyhError: the film is not in there, or the distribution is damaged.
    """
    part = out.with_name(out.name + ".part")
    try:
        with tarfile.open(distribution) as package:
            name = _ending(package.getnames(), ARCHIVE, distribution)
            member = package.extractfile(name)
            assert member is not None
            # Read whole: a gzip stream cannot be read backwards at any speed.
            with zipfile.ZipFile(io.BytesIO(member.read())) as archive:
                part.write_bytes(archive.read(_ending(archive.namelist(), MEMBER, distribution)))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise WyhError(f"{distribution}: damaged ({error}); fetch it again") from None
    part.replace(out)


def _ending(names: list[str], ending: str, distribution: Path) -> str:
    for name in names:
        if name.endswith(f"/{ending}"):
            return name
    raise WyhError(f"{distribution.name}: got no {ending} in it, wanted that of {PACKAGE}")


def fetch(folder: Path) -> Path:
    """The source distribution, fetched by pip; nothing is installed.

    Raises:
      WyhError: pip failed; its last line is told.
    """
    name = PACKAGE.partition("==")[0]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", name, "--dest", str(folder), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = sorted(folder.glob("*.tar.gz"))
    if done.returncode or not found:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise WyhError(f"got no {PACKAGE} from the package index, pip said: {last}")
    return found[0]


def main(options: Options) -> None:
    """Fetch, unpack, tell whose it is, print the path."""
    film = options.out / NAME
    options.out.mkdir(parents=True, exist_ok=True)
    if not film.exists():
        print(f"fetching {PACKAGE}, 58 MB", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            unpack(fetch(Path(folder)), film)
    (options.out / "LICENCE.txt").write_text(LICENCE)
    print(LICENCE, end="", file=sys.stderr)
    print(film)


if __name__ == "__main__":
    run_command(main, Options, "python -m benchmarks.film")
