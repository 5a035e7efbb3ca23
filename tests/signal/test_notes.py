from fractions import Fraction

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wyh.errors import WyhError
from wyh.signal.notes import MARIMBA, QUARTER_TONE, Note, NoteReader, note_name, parse_notes
from wyh.signal.stft import stft_window

FACTS_HZ = [369.99, 415.30, 466.16, 554.37, 622.25, 739.99, 830.61, 932.33, 1108.73]
FACTS_HZ += [1244.51, 1479.98, 1661.22, 1864.66, 2217.46, 2489.02, 2959.96, 3322.44, 3729.31]
RATES = [(44100, Fraction(25)), (48000, Fraction(25)), (48000, Fraction(24000, 1001))]
FILM = Fraction(24000, 1001)
SMALL = NoteReader(parse_notes("F#4,Bb4,1000hz"), 8000, FILM)

read = jax.jit(NoteReader.amplitudes, static_argnums=0)


def sine(hz, rate, samples, phase=0.0):
    return np.sin(2 * np.pi * hz * np.arange(samples) / rate + phase).astype(np.float32)


def naive(reader, waveform, frames):
    """Frame by frame and note by note in float64, from the definitions."""
    rate, rows = reader.sample_rate, []
    length = 2 * round(1.5 * rate / float(reader.frame_rate))
    taper = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(length) / length)
    n_fft = 2 ** int(np.ceil(np.log2(max(rate, 10 * length))))
    silence = np.zeros(length)
    padded = np.concatenate([silence, waveform.astype(np.float64), silence, silence])
    for frame in range(frames):
        middle = round((frame + Fraction(1, 2)) * rate / reader.frame_rate)
        window = padded[length + middle - length // 2 :][:length]
        amplitude = np.abs(np.fft.rfft(window * taper, n_fft)) * 2 / taper.sum()
        hz = np.fft.rfftfreq(n_fft, 1 / rate)
        cents = 1200 * np.log2(np.maximum(hz, 1e-9)[:, None] / reader.hz[None, :])
        rows.append([amplitude[np.abs(row) <= 50].max() for row in cents.T])
    return np.array(rows)


def test_the_bars_of_the_marimba():
    notes = parse_notes(MARIMBA)
    assert len(notes) == 18 and (notes[0].name, notes[-1].name) == ("F#4", "A#7")
    np.testing.assert_allclose([note.hz for note in notes], FACTS_HZ, atol=0.01, rtol=0)
    assert [note_name(hz) for hz in FACTS_HZ] == MARIMBA.split(",")


def test_a_list_of_every_kind():
    notes = parse_notes("F#4, bb4,60,440 hz,1000.5,128,100Hz,C-1")
    names = ["F#4", "Bb4", "C4", "A4", "1000.5 Hz", "128 Hz", "100 Hz", "C-1"]
    assert [note.name for note in notes] == names
    hz = [369.994, 466.164, 261.626, 440, 1000.5, 128, 100, 8.1758]
    np.testing.assert_allclose([note.hz for note in notes], hz, rtol=1e-5)
    assert parse_notes("B#3,Fb5,0,127")[0].hz == pytest.approx(261.626, rel=1e-5)
    assert parse_notes("0")[0].name == "C-1" and parse_notes("127")[0].name == "G9"
    assert parse_notes("127.0")[0].hz == 127


@given(st.integers(0, 127))
def test_what_midi_numbers_are_called_is_the_same_note(midi):
    (note,) = parse_notes(str(midi))
    assert parse_notes(note.name) == (note,)
    assert note_name(note.hz) == note.name
    assert note.hz == pytest.approx(440 * 2 ** ((midi - 69) / 12))


@given(st.floats(1, 100_000))
def test_what_frequencies_are_called_is_the_same_within_a_cent(hz):
    (note,) = parse_notes(note_name(hz))
    assert abs(1200 * np.log2(note.hz / hz)) < 1
    assert note_name(note.hz) == note.name == note_name(hz)


@pytest.mark.parametrize(("rate", "frame_rate"), RATES)
def test_each_note_reads_on_its_own_row(rate, frame_rate, rng):
    reader = NoteReader(parse_notes(MARIMBA), rate, frame_rate)
    assert rate / reader.n_fft <= 1
    heights = rng.uniform(0.05, 0.9, 18)
    phases = rng.uniform(0, 2 * np.pi, 18)
    windows = np.stack([sine(hz, rate, reader.length) for hz in reader.hz])
    for hz, height, phase, window in zip(reader.hz, heights, phases, windows, strict=True):
        window[:] = height * sine(hz, rate, reader.length, phase)
    share = np.asarray(read(reader, windows)) / heights[:, None]
    own = np.eye(18, dtype=bool)
    assert share[own].min() > 0.98 and share[own].max() < 1.02
    assert share[~own].max() < 0.01


@pytest.mark.parametrize(("rate", "frame_rate"), RATES)
def test_a_quarter_tone_either_side_and_no_further(rate, frame_rate):
    reader = NoteReader(parse_notes(MARIMBA), rate, frame_rate)
    for edge, beyond in ((QUARTER_TONE, 1), (1 / QUARTER_TONE, -1)):
        within = [sine(hz * edge**0.98, rate, reader.length) for hz in reader.hz]
        share = np.diagonal(read(reader, np.stack(within)))
        assert share.min() > 0.98 and share.max() < 1.02
        away = reader.hz * edge + beyond * reader.lobe_hz
        outside = np.stack([sine(hz, rate, reader.length) for hz in away])
        assert np.diagonal(read(reader, outside)).max() < 0.01
        # 4 Hz beyond the limit, what the window leaves so far off, or up to one bin further.
        close = np.stack([sine(hz * edge + 4 * beyond, rate, reader.length) for hz in reader.hz])
        share, step = np.diagonal(read(reader, close)), rate / reader.n_fft
        assert left(reader, 4 + step) - 0.01 < share.min() < share.max() < left(reader, 4) + 0.01


def left(reader, hz):
    """The share of a tone that the window leaves so many Hz away."""
    taper = stft_window("hamming", reader.length)
    turns = np.arange(reader.length) * hz / reader.sample_rate
    return abs(np.sum(taper * np.exp(2j * np.pi * turns))) / taper.sum()


def test_as_computed_frame_by_frame(rng):
    """Far into a recording at a rate whose periods are no whole number of samples."""
    noise = (0.2 * rng.standard_normal(8000 * 9 + 77)).astype(np.float32)
    frames = int(len(noise) * FILM / 8000)
    found = SMALL.amplitudes_of(noise)
    assert found.shape == (frames, 3) and found.dtype == np.float32 and frames > 200
    np.testing.assert_allclose(found, naive(SMALL, noise, frames), atol=2e-6)
    whole = NoteReader(SMALL.notes, 8000, Fraction(25))
    np.testing.assert_allclose(whole.amplitudes_of(noise), naive(whole, noise, 225), atol=2e-6)


def test_one_frame_at_a_time_is_all_at_once(rng):
    noise = (0.2 * rng.standard_normal(4000)).astype(np.float32)
    found, half = SMALL.amplitudes_of(noise), SMALL.length // 2
    padded = np.pad(noise, half)
    for frame in range(len(found)):
        window = padded[SMALL.middle(frame) :][: SMALL.length]
        np.testing.assert_allclose(read(SMALL, window), found[frame], atol=1e-6)
    assert read(SMALL, np.zeros((2, 5, SMALL.length), np.float32)).shape == (2, 5, 3)


def test_frames_beyond_the_sound_are_silent():
    tone = sine(1000, 8000, 1001)
    assert SMALL.amplitudes_of(tone).shape == (3, 3)
    assert SMALL.amplitudes_of(tone[:1000]).shape == (2, 3)  # the third ends with sample 1001
    longer = SMALL.amplitudes_of(tone, 70)
    np.testing.assert_allclose(longer, naive(SMALL, np.pad(tone, (0, 30000)), 70), atol=2e-6)
    assert longer[2, 2] > 0.5 and not longer[5:].any()
    assert SMALL.amplitudes_of(tone, 2).shape == (2, 3)
    assert SMALL.amplitudes_of(tone[:0]).shape == SMALL.amplitudes_of(tone, 0).shape == (0, 3)


@pytest.mark.parametrize("frame_rate", [Fraction(25), FILM])
def test_nothing_lags(frame_rate):
    """A tone that starts with a frame rises evenly about that moment, half before, half after."""
    reader = NoteReader(parse_notes(MARIMBA), 48000, frame_rate)
    tone = sine(reader.hz[5], 48000, 48000)
    start = round(10 * 48000 / frame_rate)
    tone[:start] = 0
    rise = reader.amplitudes_of(tone, 20)[:, 5]
    np.testing.assert_allclose(rise[[9, 8, 7]] + rise[[10, 11, 12]], 1, atol=0.005)
    assert not rise[:8].any() and rise[8] < 0.05 < rise[9] < 0.3 and 0.7 < rise[10] < 0.95
    np.testing.assert_allclose(rise[12:18], 1, atol=0.005)


def test_a_short_tone_in_the_middle_of_a_frame_is_symmetric():
    reader = NoteReader(parse_notes(MARIMBA), 48000, Fraction(25))
    tone = np.zeros(48000, np.float32)
    begin, end = 10 * 1920 + 480, 11 * 1920 - 480
    tone[begin:end] = np.cos(2 * np.pi * 2217.46 * (np.arange(begin, end) - 10.5 * 1920) / 48000)
    beats = reader.amplitudes_of(tone, 20)[:, 13]
    assert beats.argmax() == 10
    np.testing.assert_allclose(beats[[9, 8]], beats[[11, 12]], atol=1e-3)
    assert beats[9] < beats[10] / 3 and not beats[:9].any() and not beats[12:].any()


def test_two_notes_at_once_read_apart():
    reader = NoteReader(parse_notes(MARIMBA), 44100, Fraction(25))
    for low, high in ((0, 1), (3, 17), (15, 16)):
        tones = [sine(reader.hz[row], 44100, reader.length, row) for row in (low, high)]
        heard = np.asarray(read(reader, 0.5 * tones[0] + 0.1 * tones[1]))
        np.testing.assert_allclose(heard[[low, high]], [0.5, 0.1], atol=0.006)
        assert np.delete(heard, [low, high]).max() < 0.005


def test_silence_is_zero():
    assert not SMALL.amplitudes_of(np.zeros(8000, np.float32)).any()


def test_the_lowest_and_the_highest_note_that_are_let_through():
    low, high = 2 / 0.12 * QUARTER_TONE + 0.01, 4000 / QUARTER_TONE - 0.01
    for hz in (low, high):
        reader = NoteReader((Note("edge", hz),), 8000, Fraction(25))
        for phase in (0.0, 1.0, 2.0):
            heard = read(reader, sine(hz, 8000, reader.length, phase))
            assert heard[0] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("frame_rate", [Fraction(1), FILM, Fraction(60), Fraction(240)])
@pytest.mark.parametrize("rate", [4000, 22050, 192_000])
def test_every_note_has_its_bins_at_any_rate(rate, frame_rate):
    """From the lowest to the highest, the closest that are let through."""
    lowest = 2 * rate / (2 * round(1.5 * rate / float(frame_rate))) * QUARTER_TONE + 1e-6
    reader = NoteReader((Note("lowest", lowest),), rate, frame_rate)
    second = Note("second", (lowest + reader.lobe_hz) * QUARTER_TONE + 1e-6)
    reader = NoteReader((second, *reader.notes), rate, frame_rate)
    (low_two, high_two), (low_one, high_one) = reader.bins
    assert 0 < low_one < high_one < low_two < high_two <= reader.n_fft // 2 + 1


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_list(text):
    with pytest.raises(WyhError, match="got an empty list of notes, wanted one such as F#4"):
        parse_notes(text)


def test_a_reader_of_nothing():
    with pytest.raises(WyhError, match="got an empty list of notes"):
        NoteReader((), 8000, Fraction(25))


@pytest.mark.parametrize(
    "word", ["H4", "F", "F##4", "-3", "nan", "440 khz", "0hz", "0.5", "9" * 400, "C99", "C-9", ""]
)
def test_what_is_no_note(word):
    message = f"got the note '{word}', wanted a name such as F#4 or Bb4, a MIDI number from 0 to"
    with pytest.raises(WyhError, match=message):
        parse_notes(f"A4,{word}")


@pytest.mark.parametrize("hz", [0.0, -440.0, float("nan"), 1e6])
def test_a_frequency_without_a_name(hz):
    with pytest.raises(WyhError, match=r"got a note's frequency .* Hz, wanted 1 to 100000 Hz"):
        note_name(hz)


@pytest.mark.parametrize("text", ["A#4,C4,Bb4", "440,A4", "69,100,440hz"])
def test_a_note_twice(text):
    with pytest.raises(WyhError, match=r"got the notes \S+ and \S+, which are the same: give it"):
        parse_notes(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A4,16hz", r"16 Hz at 16\.00 Hz, wanted 17\.16 to 23316\.77 Hz"),
        ("23400hz", r"23400 Hz at 23400\.00 Hz, wanted 17\.16 to 23316\.77 Hz"),
        ("C-1", r"C-1 at 8\.18 Hz, wanted 17\.16 to 23316\.77 Hz"),
    ],
)
def test_a_note_outside_the_spectrum(text, said):
    told = (
        ", which three frames at 25 frames/s and a sample rate of 48000 Hz can tell: leave it out"
    )
    with pytest.raises(WyhError, match=f"got the note {said}{told}"):
        NoteReader(parse_notes(text), 48000, Fraction(25))


def test_a_rate_that_is_too_low_for_the_marimba():
    with pytest.raises(
        WyhError, match=r"got the note F#7 at 2959\.96 Hz, wanted .* to 2914\.60 Hz"
    ):
        NoteReader(parse_notes(MARIMBA), 6000, Fraction(25))


@pytest.mark.parametrize("text", ["C4,C#4", "1000hz,C4,1040hz", "C#4,A4,C4"])
def test_two_notes_that_cannot_be_told_apart(text):
    message = r"got the notes .* Hz, wanted the second at .* Hz or above for three frames at 25"
    with pytest.raises(WyhError, match=message):
        NoteReader(parse_notes(text), 48000, Fraction(25))


@pytest.mark.parametrize(
    ("rate", "frame_rate", "said"),
    [
        (3999, Fraction(25), "got sample rate 3999 Hz"),
        (48000, Fraction(1, 2), "got frame rate 0.5"),
    ],
)
def test_rates_out_of_range(rate, frame_rate, said):
    with pytest.raises(WyhError, match=said):
        NoteReader(parse_notes("A4"), rate, frame_rate)
