"""What benchmarks need to begin with: a long film, a trained run, PyTorch."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg

from wyh.errors import WyhError
from wyh.samples import SAMPLE

LOOPS = 20
"""The bundled half minute so many times over is ten minutes."""


def long_film(folder: Path, loops: int = LOOPS) -> Path:
    """The bundled film in 720p, over and over, with its sound.

    Args:
      folder: where to make it.
      loops: how many half minutes.

    Raises:
      WyhError: no loops.
    """
    if loops < 1:
        raise WyhError(f"got {loops} loops of the film, wanted at least 1")
    once, out = folder / "once.mp4", folder / "film.mp4"
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]
    scaled = ["-vf", "scale=1280:720", "-c:a", "copy", str(once)]
    subprocess.run([*ffmpeg, "-i", str(SAMPLE), *scaled], check=True)
    looped = ["-stream_loop", str(loops - 1), "-i", str(once), "-c", "copy", str(out)]
    subprocess.run([*ffmpeg, *looped], check=True)
    once.unlink()
    return out


def short_run(folder: Path) -> Path:
    """A run of the default preset, trained for a few steps: it plays as fast as a good one.

    Args:
      folder: where to make it.

    Raises:
      WyhError: training failed; its own message is on stderr.
    """
    out = folder / "run"
    train = [sys.executable, "-m", "experiments.autoencoder", "--steps", "10", "--out", str(out)]
    if subprocess.run(train, stdout=subprocess.DEVNULL, check=False).returncode:
        raise WyhError("got no run to play, wanted a few steps of training; it tells why above")
    return out


def need_torch() -> None:
    """Check that PyTorch is there.

    Raises:
      WyhError: it is not.
    """
    if importlib.util.find_spec("torch") is None:
        raise WyhError("got no PyTorch to compare with, wanted it: pip install 'wyh[bench]'")
