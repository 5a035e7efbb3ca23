"""What watching is learned with: scales, loudness, real strikes, and how well notes are seen."""

from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.conftest import TINY_MODEL, TINY_SYNTH, make_run
from tests.hearing import make_foley_run
from tests.playing import NOTES, RATE, READER, VIDEO, played_set, strikes_of
from wyh import knobs
from wyh.errors import WyhError
from wyh.loudness import recording_loudness
from wyh.models.gaze import GazeConfig
from wyh.models.recurrent import Notes, RecurrentConfig
from wyh.played import LOUDEST, PlayedBank, note_truth
from wyh.specs import VideoSpec
from wyh.transcript import Transcript
from wyh.transducers import recurrent
from wyh.transducers.offline import sonify
from wyh.transducers.recurrent import PlayerConfig, player
from wyh.watching import Watching, encoder_of, figures_of, reader_of, summaries_of, tuned

pytestmark = pytest.mark.usefixtures("quickly")

GAZE = RecurrentConfig(gaze=GazeConfig("rising", (8, 4), 4, 8, 1, 3), memory=(6,))
CONFIG = PlayerConfig(GAZE, NOTES, noise=TINY_SYNTH)
SECS, TIME, LUFS = 6.0, 6, -23.0


class Knowing(Watching):
    """Sees what it is given as parameters: one film's notes."""

    def watch(self, params, films, memory, key=None):
        return Notes(*params), memory


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    recordings = {f"{n}.mp4": strikes_of(SECS, n) for n in range(3)}
    folder = tmp_path_factory.mktemp("sets") / "set"
    dataset = played_set(folder, recordings, secs=SECS, levels=(0.1, 0.4, 0.2))
    return PlayedBank.of(dataset, READER, TIME)


@pytest.fixture(scope="module")
def watching(bank):
    return Watching.of(CONFIG, VIDEO, bank, LUFS, None)


def test_what_is_left_to_play_is_what_players_need(watching, bank):
    variables = watching.variables(watching.init(jax.random.key(0)))
    for synth in ("additive", "knn"):
        assert player(replace(CONFIG, synth=synth), VIDEO).needs <= variables.keys()
    assert variables["gain_db"].dtype == np.float32
    told = bank.truth.amplitude[np.unique(bank.training)]
    np.testing.assert_allclose(variables["scale"]["mean"], told.mean(axis=0), rtol=1e-5)
    spread = np.maximum(told.std(axis=0), 0.3 * told.std())
    np.testing.assert_allclose(variables["scale"]["spread"], spread, rtol=1e-5)
    lengths = variables["note_reference"]["lengths"]
    assert (lengths[:, 0] > 0).all()  # strikes of every note


def test_notes_that_are_hardly_played_do_not_count_more(watching, bank):
    amplitude = bank.truth.amplitude * np.array([1, 1, 1e-3], np.float32)
    rare = replace(bank, truth=bank.truth._replace(amplitude=amplitude))
    scale = Watching.of(CONFIG, VIDEO, rare, LUFS, None).scale
    assert scale["spread"][2] > 0.2 * scale["spread"][0]


def test_without_a_strike_that_is_alone_there_is_nothing_for_knn(tmp_path):
    first = np.arange(0.2, SECS - 0.3, 0.3)
    times = np.stack([first, first + 0.03], axis=1).ravel()
    pairs = Transcript(times, np.tile(READER.hz[:2], len(first)), np.ones(len(times)))
    dataset = played_set(tmp_path / "set", {"a.mp4": pairs}, secs=SECS)
    bank = PlayedBank.of(dataset, READER, TIME)
    watching = Watching.of(CONFIG, VIDEO, bank, LUFS, None)
    assert watching.reference is None and "note_reference" not in watching.variables({})


def test_true_notes_are_played_as_loud_as_they_are_wanted(watching, bank, monkeypatch):
    """Through the synth that a run is played with, at the gain that training finds."""
    louder = Watching.of(CONFIG, VIDEO, bank, LUFS + 6, None)
    assert louder.gain_db == pytest.approx(watching.gain_db + 6, abs=1e-4)
    recording = bank.recordings[1]
    truth, scale = note_truth(recording, READER), watching.scale
    value = jnp.asarray((truth.amplitude - scale["mean"]) / scale["spread"])
    onset, offset = jnp.where(truth.onset, 20.0, -20.0), jnp.asarray(truth.offset)

    def watch(model, params, x, memory, key=None):
        number = jnp.rint(255 * x[..., 0, 0, 1]).astype(int)
        return Notes(value[number], onset[number], offset[number]), memory

    monkeypatch.setattr(recurrent, "watch", watch)
    count = len(recording.ticks)
    frames = np.broadcast_to(
        np.arange(count, dtype=np.uint8)[:, None, None, None], (count, *VIDEO.shape)
    ).copy()
    config = replace(CONFIG, model=replace(GAZE, view="grey"))
    parts = sonify(player(config, VIDEO), watching.variables({}), [frames], knobs.defaults())
    sound = np.concatenate([*parts])
    assert recording_loudness(sound, RATE) == pytest.approx(LUFS, abs=2)
    gained = recording.waveform * np.float32(10 ** (watching.gain_db / 20))
    assert recording_loudness(gained, RATE) == pytest.approx(LUFS, abs=1.5)


def seen_as(watching, played, onset):
    """What a network tells that sees just this."""
    mean, spread = watching.scale["mean"], watching.scale["spread"]
    odds = np.where(onset, 20.0, -20.0).astype(np.float32)
    return [(played.truth.amplitude - mean) / spread, odds, np.where(onset, played.truth.offset, 0)]


def test_perfect_notes_have_perfect_figures_and_constant_ones_none(bank):
    watching = Knowing.of(CONFIG, VIDEO, bank, LUFS, None)
    (played,) = bank.held(500, 1)
    perfect = seen_as(watching, played, played.truth.onset)
    figures = figures_of(watching, perfect, [played])
    assert figures["val_skill"] == pytest.approx(1, abs=1e-6)
    for name in ("val_note_f1", "val_precision", "val_recall"):
        assert figures[name] == 1
    constant = [np.zeros_like(perfect[0]), np.full_like(perfect[1], -20), perfect[2]]
    figures = figures_of(watching, constant, [played])
    assert abs(figures["val_skill"]) < 1e-6
    assert (figures["val_note_f1"], figures["val_recall"]) == (0, 0)
    doubled = [2 * perfect[0] + 1, perfect[1], perfect[2]]
    assert figures_of(watching, doubled, [played])["val_skill"] < 0
    late = [perfect[0], np.roll(perfect[1], 4, axis=1), perfect[2]]
    assert figures_of(watching, late, [played])["val_note_f1"] < 0.3


def test_odds_are_brought_to_where_strikes_are_told_best(bank):
    """A network that is too careful, or not enough; of equals the smallest change."""
    watching = Knowing.of(CONFIG, VIDEO, bank, LUFS, None)
    (played,) = bank.held(500, 1)
    for struck, other, shift in ((20, -20, 0), (-0.7, -3, 1), (3, 0.7, -1)):
        value, odds, offset = seen_as(watching, played, played.truth.onset)
        given = [value, np.where(odds > 0, struck, other).astype(np.float32), offset]
        assert tuned(watching, given, [played])["shift"] == shift
        assert figures_of(watching, given, [played])["val_note_f1"] == 1
    config = replace(CONFIG, model=replace(GAZE, onsets=False))
    without = Knowing.of(config, VIDEO, bank, LUFS, None)
    assert tuned(without, given, [played])["shift"] == 0


def test_figures_are_of_all_films_together(bank, watching):
    params = watching.init(jax.random.key(0))
    held = bank.held(20, 5)
    assert len(held) == 5
    figures = figures_of(watching, params, held)
    assert figures.keys() == {"val_skill", "val_note_f1", "val_precision", "val_recall"}
    errors, constants = 0.0, 0.0
    mean, spread = watching.scale["mean"], watching.scale["spread"]
    see = jax.jit(watching.see)
    for played in held:
        found = see(params, jnp.asarray(played.films))
        value = np.asarray(found.amplitude) * spread + mean
        errors += np.square(np.maximum(value, 0) - played.truth.amplitude).sum()
        constants += np.square(mean - played.truth.amplitude).sum()
    assert figures["val_skill"] == pytest.approx(1 - errors / constants, rel=1e-4)
    config = replace(CONFIG, model=replace(GAZE, onsets=False))
    without = Watching.of(config, VIDEO, bank, LUFS, None)
    assert figures_of(without, without.init(jax.random.key(0)), held).keys() == {"val_skill"}


def test_films_are_seen_the_same_as_bytes_and_as_numbers(bank, watching):
    params, films = watching.init(jax.random.key(0)), bank.at(bank.training[:2]).films
    see = jax.jit(watching.see)
    whole = see(params, jnp.asarray(films))
    assert whole.amplitude.shape == (len(films), TIME, 3)
    again = see(params, jnp.asarray(films, jnp.float32) / 255)
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_held_out_film_is_shown_with_its_notes_and_its_sound(bank, watching):
    (played,) = bank.held(500, 1)
    variables = watching.variables(watching.init(jax.random.key(0)))
    shown = summaries_of(watching, player(CONFIG, VIDEO), variables, [played])
    ((name, image),) = shown.pictures.items()
    count = played.truth.amplitude.shape[1]
    assert name == "notes, true above predicted"
    assert image.shape == (6, count, 1) and image.dtype == np.uint8
    roll = np.clip(played.truth.amplitude[0] / LOUDEST, 0, 1).T[::-1]
    np.testing.assert_array_equal(image[:3, :, 0], np.rint(255 * roll))
    sound, rate = shown.sounds["sound"]
    assert rate == RATE and len(sound) == played.films.shape[1] * RATE // 25
    assert np.abs(sound).max() > 0


def test_the_encoder_of_a_run_is_what_makes_its_codes(tmp_path):
    run = make_run(tmp_path / "run")
    model, video, params = encoder_of(run.directory)
    assert model == TINY_MODEL and video == VideoSpec(Fraction(10), 16, 16)
    assert params.keys() == {"encoder"}
    dbn = make_foley_run(tmp_path / "dbn").directory
    with pytest.raises(WyhError) as raised:
        encoder_of(dbn)
    assert str(raised.value) == (
        f"got --features {dbn}, a run of the kind dbn, wanted one of experiments.autoencoder"
    )
    with pytest.raises(WyhError, match="gone is no run"):
        encoder_of(tmp_path / "gone")


def test_codes_are_learned_from(bank, tmp_path):
    run = make_run(tmp_path / "run", height=16, width=16)
    model, _, features = encoder_of(run.directory)
    video = VideoSpec(VIDEO.frame_rate, 16, 16)
    config = replace(CONFIG, model=RecurrentConfig("fc_lstm", memory=(6,)), features=model)
    watching = Watching.of(config, video, bank, LUFS, features)
    params = watching.init(jax.random.key(0))
    assert params["memory_0"]["ii"]["kernel"].shape == (3 * TINY_MODEL.code_size, 6)
    films = np.random.default_rng(0).integers(0, 256, (2, 5, 16, 16, 3), dtype=np.uint8)
    found = jax.jit(watching.see)(params, jnp.asarray(films))
    assert found.amplitude.shape == (2, 3, 3) and found.amplitude.std() > 0
    assert player(config, video).needs <= watching.variables(params).keys()


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        ("F#4,4000hz", "got the note 4000 Hz at 4000.00 Hz, wanted 17.16 to 3886.13 Hz"),
        ("440,450hz", "got the notes A4 and 450 Hz, 440.00 and 450.00 Hz, wanted the second at"),
        ("", "got an empty list of notes, wanted one such as F#4,Bb4,60,440hz"),
    ],
)
def test_notes_that_cannot_be_read(notes, message):
    with pytest.raises(WyhError) as raised:
        reader_of(replace(CONFIG, notes=notes), VIDEO)
    assert message in str(raised.value) and "\n" not in str(raised.value)
