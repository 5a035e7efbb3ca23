"""Which sound a report of painted sound is made of: some to fit readers to, and some unseen."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int

from wyh.errors import WyhError
from wyh.moments import Song, SongBank
from wyh.runs import Run
from wyh.samples import MUSIC
from wyh.songs import load_songs
from wyh.specs import StreamSpec
from wyh.transducers.offline import pictures_of

LONGEST_SECS = 600.0
"""Of sound that is painted, at most: of more, pieces of `PIECE_SECS`, evenly spread."""

PIECE_SECS = 30.0
LEAST_SECS = 2.0  # of each kind, at least
_STEP = 32  # samples from one moment that is asked for to the next

TRAIN, HELD_OUT = 1, 2  # what the sound of a picture is; 0 is neither


@dataclass(frozen=True)
class Stretch:
    """A piece of a recording, painted in one go.

    Attributes:
      name: of the recording.
      waveform: of the piece, mono.
      kinds: of each picture, whether the middle of its sound is `TRAIN` or `HELD_OUT`.
    """

    name: str
    waveform: Float32[np.ndarray, " samples"]
    kinds: Int[np.ndarray, " pictures"]


@dataclass(frozen=True)
class Soundtrack:
    """All that is painted for a report, and where it comes from."""

    stretches: list[Stretch]
    source: str

    def secs(self, kind: int, frame_rate: float) -> float:
        """Of pictures of a kind."""
        return sum(int((s.kinds == kind).sum()) for s in self.stretches) / frame_rate


def gather(run: Run, inputs: tuple[Path, ...], spec: StreamSpec, reach: int) -> Soundtrack:
    """Find the sound of a report.

    Without inputs it is what the run was trained on: its test seconds or songs are measured on.
    With inputs these are, but for recordings that it was trained on; where the run's own sound is
    not to be found, readers are fitted to the inputs' own training seconds, and measured is what is
    held out of these.

    Args:
      run: of the direction hear-see.
      inputs: files or folders.
      spec: of what plays it.
      reach: samples from the middle of a window to its end.

    Raises:
      WyhError: no sound, or too little.
    """
    own = _own(run, spec)
    if not inputs:
        if own is None:
            raise WyhError(
                f"{run.directory}: the sound it was trained on is not here: name some to measure "
                f"it on, such as python -m wyh.report --run {run.directory} SONG.mp3"
            )
        made = Soundtrack(_of_bank(own, spec, reach), f"held-out {_names(own)}")
    else:
        given = load_songs(inputs, spec.audio.sample_rate)
        if given.describe()["fingerprint"] == run.data.get("fingerprint"):
            made = Soundtrack(_of_bank(given, spec, reach), f"held-out {_names(given)}")
        else:
            made = _of_others(run, given, own, spec, reach)
    rate = float(spec.video.frame_rate)
    for kind, what in ((TRAIN, "to fit readers to"), (HELD_OUT, "held out")):
        if (secs := made.secs(kind, rate)) < LEAST_SECS:
            raise WyhError(
                f"{made.source}: got {secs:.1f} s {what}, wanted {LEAST_SECS:g} s or more: name "
                f"longer sound to measure on"
            )
    return made


def _of_others(
    run: Run, given: SongBank, own: SongBank | None, spec: StreamSpec, reach: int
) -> Soundtrack:
    """Sound that the run was not trained on."""
    known = run.data.get("recordings", [])
    others = [song for song in given.songs if song.name not in known]
    if not others:
        raise WyhError(
            f"got {_names(given)}, which it was trained on, wanted other sound: name none to "
            f"measure on what training held out"
        )
    bank = SongBank(others, spec.audio.sample_rate)
    if own is None:
        source = f"{_names(bank)} (readers fitted to other seconds or songs of it)"
        return Soundtrack(_of_bank(bank, spec, reach), source)
    half = LONGEST_SECS / 2
    training = [s for s in _of_bank(own, spec, reach, half) if (s.kinds == TRAIN).any()]
    unseen = [_stretch(song, begin, end, None, spec) for song, _, begin, end in _pieces(bank, half)]
    return Soundtrack([*(_only(s, TRAIN) for s in training), *unseen], _names(bank))


def _only(stretch: Stretch, kind: int) -> Stretch:
    kinds = np.where(stretch.kinds == kind, kind, 0)
    return Stretch(stretch.name, stretch.waveform, kinds)


def _names(bank: SongBank) -> str:
    names = [song.name for song in bank.songs]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(names[:2]) + more


def _own(run: Run, spec: StreamSpec) -> SongBank | None:
    """What the run was trained on, if it is still there."""
    given = [Path(str(path)) for path in run.config.get("data") or ()] or [MUSIC]
    known = run.data.get("recordings", [])
    if not all(path.exists() for path in given) or (given == [MUSIC] and known != [MUSIC.name]):
        return None
    try:
        bank = load_songs(given, spec.audio.sample_rate)
    except WyhError:
        return None
    return bank if bank.describe()["fingerprint"] == run.data.get("fingerprint") else None


def _of_bank(
    bank: SongBank, spec: StreamSpec, reach: int, longest_secs: float = LONGEST_SECS
) -> list[Stretch]:
    """Pieces of all recordings, their pictures divided as training divides the sound."""
    # What is heard in a held-out second is never trained on: the guard is wider than a window.
    moments = {
        TRAIN: bank.moments("train", _STEP, reach + _STEP),
        HELD_OUT: bank.moments("test", _STEP, 0),
    }
    return [
        _stretch(song, begin, end, (moments, start), spec)
        for song, start, begin, end in _pieces(bank, longest_secs)
    ]


def _pieces(bank: SongBank, longest_secs: float) -> Iterator[tuple[Song, int, int, int]]:
    """Recordings, whole or the pieces of them that are painted.

    Yields:
      A recording, where it starts among the moments of all, and from where to where it is painted.
    """
    starts = [int(n) for n in np.cumsum([0, *(len(song.waveform) for song in bank.songs)])]
    if bank.secs <= longest_secs:
        for song, start in zip(bank.songs, starts, strict=False):
            yield song, start, 0, len(song.waveform)
        return
    rate, length = bank.sample_rate, round(PIECE_SECS * bank.sample_rate)
    count = max(2, int(longest_secs / PIECE_SECS))
    middles = (np.arange(count) + 0.5) * bank.secs * rate / count
    for song, start in zip(bank.songs, starts, strict=False):
        end, last = len(song.waveform), 0
        for middle in middles[(middles >= start) & (middles < start + end)] - start:
            # On a whole second, so that held-out seconds are whole too.
            begin = max(last, int(max(0.0, middle - length / 2)) // rate * rate)
            begin = min(begin, max(last, (end - length) // rate * rate))
            last = min(end, begin + length)
            if last - begin >= rate:
                yield song, start, begin, last


def _stretch(
    song: Song,
    begin: int,
    end: int,
    divided: tuple[dict[int, Int[np.ndarray, " n"]], int] | None,
    spec: StreamSpec,
) -> Stretch:
    """A piece, all of it held out unless it is divided."""
    waveform = song.waveform[begin:end] / np.float32(32768)
    middles = middles_of(pictures_of(len(waveform), spec), spec)
    kinds = np.full(len(middles), HELD_OUT)
    if divided is not None:
        moments, start = divided
        kinds = np.zeros(len(middles), int)
        for kind, known in moments.items():
            kinds[_near(middles + begin + start, known)] = kind
    return Stretch(song.name, waveform, kinds)


def middles_of(count: int, spec: StreamSpec) -> Int[np.ndarray, " count"]:
    """The sample in the middle of each picture's time on the screen."""
    rate = spec.audio.sample_rate / float(spec.video.frame_rate)
    return np.rint((np.arange(count) + 0.5) * rate).astype(int)


def _near(at: Int[np.ndarray, " n"], moments: Int[np.ndarray, " m"]) -> Bool[np.ndarray, " n"]:
    """Whether there is a moment within a step of each sample."""
    if not len(moments):
        return np.zeros(len(at), bool)
    after = np.searchsorted(moments, at).clip(0, len(moments) - 1)
    before = (after - 1).clip(0)
    apart = np.minimum(np.abs(moments[after] - at), np.abs(moments[before] - at))
    return apart <= _STEP // 2
