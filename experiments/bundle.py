"""The demonstration run that comes with wyh: a small autoencoder of a bit of everything.

    python -m experiments.bundle PHOTOS_AND_FILMS... --out wyh/samples/demo_run

The bundled film, the films given and the photos given, a second of each, become one reel, of which
the last of every five seconds is held out. A model of 48x32 pictures learns it and is packed in
half precision: 4 MB at most. About 2 minutes on 2 cores. What it was made of and how well it does
stands in `ORIGIN.md` beside it.

It plays where there is no run of one's own: a camera in a room it has never seen. Therefore photos
of all kinds; see `wyh.natural` for what else is expected of pictures never seen.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import tyro
from jaxtyping import UInt8
from PIL import Image, ImageOps

from data_prep.images import load_photo
from experiments import autoencoder
from wyh.cli import run as run_command
from wyh.errors import WyhError
from wyh.media.decode import open_video
from wyh.media.encode import MovieWriter
from wyh.media.find import find_files, kind_by_name
from wyh.models.autoencoder import AutoencoderConfig
from wyh.pack import pack
from wyh.run_choice import default_run_dir
from wyh.runs import cannot_write, load_run
from wyh.samples import SAMPLE
from wyh.specs import VideoSpec
from wyh.windows import on_grid

MOST_BYTES = 4_000_000
# Nearly all is in the linear paths, of pixels times values: few pixels and many values keep most.
MODEL = AutoencoderConfig(code_size=192, widths=(16, 32, 64), hidden=64)
WIDTH, HEIGHT = 48, 32  # of the model's pictures: wide, as those of cameras are
REEL = VideoSpec(Fraction(30), 2 * HEIGHT, 2 * WIDTH)  # as fast as most cameras
SOUND_HZ = 8000  # of the reel's silence


@dataclass(frozen=True)
class Config:
    """Make the run that comes with wyh."""

    out: Path  # where the packed run goes
    inputs: tyro.conf.Positional[tuple[Path, ...]] = ()  # photos and films beside the bundled one
    reel: Path = Path("data/bundle/reel.mkv")  # written: the film that is trained on
    run: Path | None = None  # the whole run; runs/bundle-DATE unless given
    steps: int = autoencoder.PRESETS["default"].fit.steps  # of training
    seed: int = 0  # of training


def main(config: Config) -> None:
    """Make the reel, train, pack."""
    if (config.out / "config.json").exists():
        raise WyhError(f"{config.out} holds a run already: remove it, or choose another --out")
    if config.reel != Config.reel and config.reel.exists():
        raise WyhError(f"{config.reel} is there already: --reel names a film that is to be made")
    write_reel(config.inputs, config.reel)
    run, preset = config.run or default_run_dir("bundle"), autoencoder.PRESETS["default"]
    autoencoder.main(
        replace(
            preset,
            data=(config.reel,),
            out=run,
            size=f"{WIDTH}x{HEIGHT}",
            sound=replace(preset.sound, model=MODEL),
            fit=replace(preset.fit, steps=config.steps, seed=config.seed),
        )
    )
    pack(load_run(run), config.out)
    size = sum(path.stat().st_size for path in config.out.rglob("*") if path.is_file())
    print(f"{config.out}: {size / 1e6:.2f} MB", file=sys.stderr)
    if size > MOST_BYTES:
        raise WyhError(f"{config.out} has {size} bytes, wanted {MOST_BYTES} at most")
    print(config.out)


def write_reel(inputs: tuple[Path, ...], out: Path) -> None:
    """The bundled film, then films and photos in order of their names, as one film.

    Raises:
      WyhError: none of `inputs` can be used, or `out` cannot be written.
    """
    named, found = find_files(inputs, leave_out=out.parent) if inputs else ([], [])
    files = [path for path in (*named, *found) if kind_by_name(path) in ("video", "image")]
    if inputs and not files:
        raise WyhError(f"{inputs[0]}: got neither films nor photos")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from None
    with MovieWriter(out, sample_rate=SOUND_HZ, video=REEL) as movie:
        for path in (SAMPLE, *files):
            shots = film(path) if kind_by_name(path) == "video" else iter([panned(path)])
            for frames in shots:
                movie.write_frames(frames)
                secs = len(frames) / float(REEL.frame_rate)
                movie.write_audio(np.zeros(round(SOUND_HZ * secs), np.float32))


def film(path: Path) -> Iterator[UInt8[np.ndarray, "frames height width channel"]]:
    """The pictures of a film, whole seconds of it, one at a time: none is held out in part."""
    second, rest = round(REEL.frame_rate), np.zeros((0, *REEL.shape), np.uint8)
    with open_video(path, REEL) as reader:
        for frames in on_grid(reader, REEL.frame_rate):
            rest = np.concatenate([rest, frames])
            while len(rest) >= second:
                yield rest[:second]
                rest = rest[second:]


def panned(path: Path) -> UInt8[np.ndarray, "frames height width channel"]:
    """A second of a camera that pans over a photo, from its left or upper end to the other."""
    with Image.open(path) as file:
        width, height = ImageOps.exif_transpose(file).size
    scale = max(REEL.width / width, REEL.height / height)
    whole = replace(REEL, width=round(width * scale), height=round(height * scale))
    photo = load_photo(path, whole)
    along = np.linspace(0, 1, round(REEL.frame_rate))
    tops = np.round(along * (whole.height - REEL.height)).astype(int)
    lefts = np.round(along * (whole.width - REEL.width)).astype(int)
    places = zip(tops, lefts, strict=True)
    return np.stack([photo[t : t + REEL.height, u : u + REEL.width] for t, u in places])


if __name__ == "__main__":
    run_command(main, Config, "python -m experiments.bundle")
