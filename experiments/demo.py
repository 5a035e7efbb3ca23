"""The whole journey on the bundled half minute of film: `make demo`.

    python -m experiments.demo

Prepares shards, trains the default autoencoder, and renders the seconds that were held out of
training to an .mp4 with their sound. About 3 minutes on 2 cores.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data_prep.video import Config as VideoConfig
from data_prep.video import prepare
from experiments import autoencoder
from wyh import knobs
from wyh.cli import run as run_command
from wyh.media.decode import open_video
from wyh.media.encode import MovieWriter
from wyh.run_choice import default_run_dir
from wyh.runs import load_run
from wyh.samples import SAMPLE
from wyh.specs import AudioSpec, VideoSpec
from wyh.transducers.kinds import Player, load_player
from wyh.transducers.offline import sonify
from wyh.windows import WindowSpec, block_split, on_grid

HOLDOUT = 5  # the last of every so many seconds is held out


@dataclass(frozen=True)
class Config:
    """Prepare, train and render the bundled film."""

    out: Path | None = None  # the run directory; runs/demo-DATE unless given
    data: Path = Path("data/demo")  # the data set
    steps: int = autoencoder.PRESETS["default"].fit.steps  # of training


def main(config: Config) -> None:
    """Run the journey and say what to try next."""
    out = config.out or default_run_dir("demo")
    say(f"1/3 preparing {SAMPLE.name} -> {config.data}")
    prepare(VideoConfig((SAMPLE,), config.data, holdout=1 / HOLDOUT))
    say(f"2/3 training -> {out}")
    preset = autoencoder.PRESETS["default"]
    autoencoder.main(
        replace(preset, data=(config.data,), out=out, fit=replace(preset.fit, steps=config.steps))
    )
    film = out / "held_out.mp4"
    say(f"3/3 rendering the seconds it has never seen -> {film}")
    render_held_out(load_player(load_run(out)), film)
    say(f"""
Done. Watch and listen: {film}

What to try next:
  python -m wyh.report --run {out}
  python -m wyh.listen {film} --run {out} --out listened.mp4
  python -m wyh.render {SAMPLE} --run {out} --out heard.mp4
  python -m wyh.live --source {SAMPLE} --run {out}  # into the speaker
  python -m experiments.autoencoder --data YOUR_FILM.mp4   # then render or play it""")


def render_held_out(player: Player, out: Path) -> None:
    """The held-out seconds of the bundled film, one after the other, and their sound."""
    spec = player.transducer.spec
    shown = VideoSpec(spec.video.frame_rate, 180, 320)
    pictures, frames = held_out(shown), held_out(spec.video)
    sound = sonify(player.transducer, player.variables, [frames], knobs.defaults())
    with MovieWriter(out, sample_rate=spec.audio.sample_rate, video=shown) as movie:
        movie.write_frames(pictures)
        for block in sound:
            movie.write_audio(block)


def held_out(video: VideoSpec) -> np.ndarray:
    """Frames of the held-out seconds, `uint8 [frames, height, width, channel]`."""
    with open_video(SAMPLE, video) as reader:
        frames = np.concatenate(list(on_grid(reader, video.frame_rate)))
    window = WindowSpec(video.frame_rate, AudioSpec().sample_rate)
    splits = [block_split(tick, window, HOLDOUT) for tick in range(len(frames))]
    return frames[np.array(splits) == "test"]


def say(line: str) -> None:
    """Tell, on stderr, beside the progress bars."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    run_command(main, Config, "python -m experiments.demo")
