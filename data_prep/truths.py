"""The truth files that lie beside films, on their way into a data set."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from wyh.dataset import TRUTH
from wyh.media.probe import MediaInfo
from wyh.transcript import read_transcript, transcript_beside


def without_truths(named: Sequence[Path], found: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Files given and found, less those that are truths of others among them."""
    truths = {transcript_beside(path) for path in (*named, *found)}
    return [path for path in named if path not in truths], [
        path for path in found if path not in truths
    ]


def find_truths(files: Mapping[str, Path], infos: Mapping[str, MediaInfo]) -> dict[str, bytes]:
    """What stands in the truth files of those films that have one.

    Args:
      files: films by name.
      infos: what is in them, by name. Where a film does not say how long it is, its truth is taken
        for its own.

    Raises:
      WyhError: a truth file that is none, or has a strike after the end of its film.
    """
    truths = {}
    for name, film in files.items():
        truth = transcript_beside(film)
        if truth.exists():
            read_transcript(truth, infos[name].duration_secs)
            truths[name] = truth.read_bytes()
    return truths


def digests(truths: Mapping[str, bytes]) -> dict[str, dict[str, str]]:
    """Truths as options of a fingerprint; none where there are none."""
    found = {name: hashlib.sha256(content).hexdigest() for name, content in truths.items()}
    return {"truth": found} if found else {}


def copy_truths(out: Path, recordings: Iterable[str], truths: Mapping[str, bytes]) -> None:
    """Write the truths of recordings to where `Dataset.truth` finds them.

    One of a recording that has none now, left by an interrupted preparation, is removed.
    """
    for name in recordings:
        file = out / TRUTH / f"{name}.csv"
        if name in truths:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(truths[name])
        else:
            file.unlink(missing_ok=True)
