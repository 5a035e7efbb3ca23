"""Folds of sounds: parts of which each in turn is for testing."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from zlib import crc32

from data_prep.sound_lists import Listed
from wyh.errors import WyhError


def choose_fold(sounds: Sequence[Listed], wanted: int | None, official: int | None) -> int:
    """The fold that is kept for testing: the one wanted, else the official one, else the last.

    Raises:
      WyhError: there is one fold only, or not the one wanted.
    """
    folds = sorted({sound.fold for sound in sounds if sound.fold is not None})
    if len(folds) < 2:
        groups = sorted({sound.group for sound in sounds})
        why = f"of group {groups[0]!r}" if len(groups) == 1 else f"in fold {folds[0]}"
        raise WyhError(f"all sounds are {why}, wanted two or more: one is for testing")
    if wanted is not None and wanted not in folds:
        known = ", ".join(map(str, folds))
        raise WyhError(f"got test fold {wanted}, wanted one of those there are: {known}")
    if wanted is not None:
        return wanted
    return folds[-1] if official is None or official not in folds else official


def gaps(sounds: Sequence[Listed]) -> list[int]:
    """Folds that are missing between the first and the last."""
    folds = {sound.fold for sound in sounds if sound.fold is not None}
    return [fold for fold in range(min(folds), max(folds)) if fold not in folds]


def shared_out(sounds: Sequence[Listed], folds: int) -> list[Listed]:
    """Give sounds the folds 1 to `folds`: of each class alike many, and no group in two.

    A class of one group alone is in the first fold, of two in the first and the last: there is
    something to train on first, and then to test on.
    """
    members: dict[str, list[Listed]] = defaultdict(list)
    for sound in sounds:
        members[sound.group].append(sound)
    order = [1, folds, *range(2, folds)]
    count: Counter[tuple[str, int]] = Counter()
    fold_of: dict[str, int] = {}
    # Large groups first, while there is room to make up for them; then by an order of chance.
    for group in sorted(members, key=lambda g: (-len(members[g]), crc32(g.encode()), g)):
        labels = Counter(sound.label for sound in members[group])
        fold = min(order, key=lambda f: sum(count[label, f] * n for label, n in labels.items()))
        fold_of[group] = fold
        count.update({(label, fold): n for label, n in labels.items()})
    return [sound._replace(fold=fold_of[sound.group]) for sound in sounds]
