"""Films in which notes are struck, and a tiny run that watches them."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np

from wyh.media.encode import MovieWriter
from wyh.models.recurrent import Filters, Recurrent, RecurrentConfig, blank, in_threes
from wyh.runs import BestMetric, create_run, load_run, save_variables
from wyh.signal.notes import NoteReader, parse_notes
from wyh.specs import VideoSpec
from wyh.synths.noise import NoiseConfig
from wyh.transducers.recurrent import PlayerConfig, player

RATE, FRAME_RATE = 8000, Fraction(25)
NOTES = "600hz,1000hz"
VIDEO = VideoSpec(FRAME_RATE, 8, 12, channels=1)
READER = NoteReader(parse_notes(NOTES), RATE, FRAME_RATE)
STRIKES = ((0.3, 0, 1.0), (0.91, 1, 0.8), (1.5, 0, 0.9), (2.22, 1, 1.0), (2.22, 0, 0.7))
"""Time, note and velocity."""


def struck_sound(strikes=STRIKES, secs=3.0):
    """Notes that die away within 0.2 s: float32 at `RATE`."""
    times = np.arange(round(secs * RATE)) / RATE
    sound = np.zeros(len(times))
    for at, note, velocity in strikes:
        since = np.maximum(times - at, 0)
        rise = np.minimum(since / 0.003, 1)
        sine = np.sin(2 * np.pi * READER.hz[note] * since)
        sound += 0.3 * velocity * rise * np.exp(-since / 0.06) * sine
    return sound.astype(np.float32)


def write_truth(film, strikes=STRIKES):
    """The truth beside a film."""
    lines = [f"{at},{READER.hz[note]:g}hz,{velocity}" for at, note, velocity in strikes]
    text = "\n".join(["time_secs,note,velocity", *lines, ""])
    film.with_suffix(".truth.csv").write_text(text)


def write_struck(path, strikes=STRIKES, secs=3.0, *, frame_rate=FRAME_RATE, told=True, sound=None):
    """A film: grey pictures, and what is struck in it; with its truth, if it is `told`."""
    count = round(secs * frame_rate)
    shape = (count, VIDEO.height, VIDEO.width, 3)
    rng = np.random.default_rng(len(strikes))
    pictures = np.repeat(rng.integers(60, 200, (*shape[:3], 1), np.uint8), 3, axis=-1)
    video = VideoSpec(Fraction(frame_rate), VIDEO.height, VIDEO.width)
    with MovieWriter(path, sample_rate=RATE, video=video, scale_to=(48, 72)) as movie:
        movie.write_frames(pictures)
        movie.write_audio(struck_sound(strikes, secs) if sound is None else sound)
    if told:
        write_truth(path, strikes)
    return path


def small_config(remembers=True):
    """A network of few values, and the notes of the films."""
    model = RecurrentConfig(
        "cnn_lstm",
        "grey",
        filters=(Filters(4, 4, 4),),
        dense=(8,),
        memory=(6,),
        remembers=remembers,
    )
    noise = NoiseConfig(RATE, 256, 64, layout="mel", low_hz=20.0, high_hz=3900.0)
    return PlayerConfig(model, NOTES, noise=noise)


def small_variables(config, seed=0):
    """Random parameters, large enough that strikes are told now and then."""
    model = Recurrent(config.model, 2)
    x = in_threes(jnp.zeros((1, 3, *VIDEO.shape)), config.model)
    shapes = jax.eval_shape(
        model.init, jax.random.key(0), x, blank(config.model, 2, 1, VIDEO.height, VIDEO.width)
    )
    rng = np.random.default_rng(seed)
    params = jax.tree.map(
        lambda leaf: (0.6 * rng.standard_normal(leaf.shape)).astype(np.float32), shapes["params"]
    )
    return {
        "params": params,
        "gain_db": np.float32(0),
        "scale": {
            "mean": np.array([0.02, 0.01], np.float32),
            "spread": np.array([0.04, 0.03], np.float32),
        },
        "shift": np.float32(0),
    }


def make_watching_run(directory, data=(), recordings=("other.mp4",), *, remembers=True):
    """A run of the kind marimba, untrained."""
    config = small_config(remembers)
    run = create_run(
        directory,
        kind="marimba",
        preset="tiny",
        config={"sound": config, "data": [str(path) for path in data]},
        stream=player(config, VIDEO).spec,
        data={"fingerprint": "none", "recordings": list(recordings)},
        best_metric=BestMetric("val_note_f1", "higher"),
    )
    save_variables(run, small_variables(config), "variables")
    save_variables(run, small_variables(config), "variables_latest")
    return load_run(run.directory)
