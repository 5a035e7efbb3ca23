"""The picture of the README: held-out frames, what their sound knows of them, and that sound.

    python -m benchmarks.readme_picture --run RUN --out docs/heard.png

RUN is one that `make demo` has trained on the bundled film.
"""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tyro

from experiments.demo import held_out
from wyh import knobs
from wyh.metrics.heard import add_noise
from wyh.runs import load_run
from wyh.samples import SAMPLE
from wyh.specs import VideoSpec
from wyh.transducers.kinds import listener_of, load_player
from wyh.transducers.offline import sonify


@dataclass(frozen=True)
class Options:
    """Draw the picture."""

    run: Path
    out: Path = Path("docs/heard.png")
    columns: int = 9


def main(options: Options) -> None:
    """Write the PNG."""
    player = load_player(load_run(options.run))
    spec = player.transducer.spec
    frames = held_out(spec.video)
    chosen = np.linspace(6, len(frames) - 7, options.columns).astype(int)
    shown = held_out(VideoSpec(spec.video.frame_rate, 180, 180))[chosen]
    sound = np.concatenate(
        list(sonify(player.transducer, player.variables, [frames], knobs.defaults()))
    )
    listener = listener_of(player)
    noisy = add_noise(sound, 20.0, np.random.default_rng(0))
    known = listener.pictures(player.variables, noisy, len(frames))[chosen]

    figure = plt.figure(figsize=(12, 5.2), facecolor="#101014")
    grid = figure.add_gridspec(3, options.columns, height_ratios=(1, 1, 1.5), hspace=0.06)
    for row, pictures in enumerate((shown, known)):
        for column, picture in enumerate(pictures):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(picture, interpolation="nearest")
            axes.set_axis_off()
    axes = figure.add_subplot(grid[2, :], facecolor="#101014")
    axes.specgram(
        sound, NFFT=1024, noverlap=896, Fs=spec.audio.sample_rate, cmap="magma", vmin=-100, vmax=-55
    )
    axes.set_ylim(0, listener.sound.synth.high_hz)
    axes.set_xlabel(f"{SAMPLE.stem}: held-out seconds", color="#c8c8d0")
    axes.set_ylabel("Hz", color="#c8c8d0")
    axes.tick_params(colors="#c8c8d0")
    figure.savefig(options.out, dpi=110, bbox_inches="tight", facecolor=figure.get_facecolor())


if __name__ == "__main__":
    main(tyro.cli(Options))
