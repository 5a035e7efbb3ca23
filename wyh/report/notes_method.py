"""The result of a report of played notes in a sentence, and how it was measured."""

from collections.abc import Sequence

from wyh.report.notes_films import LONGEST_SECS
from wyh.report.notes_rows import Watched
from wyh.report.notes_seen import PIECE_SECS


def sentence(watched: Watched) -> str:
    """The result in a sentence."""
    score = watched.score
    gone = max(score.skill.value, -9.99)
    nearer = f"{100 * abs(gone):.0f} % {'less' if gone >= 0 else 'more'}"
    seen = (
        f"sees {100 * score.notes.recall:.0f} % of {watched.strikes} strikes to within 50 ms, and "
        f"{100 * score.notes.precision:.0f} % of those it sees are struck: an F1 of "
        f"{score.f1.value:.2f} (95 % interval {score.f1.low:.2f} to {score.f1.high:.2f})"
    )
    if not score.notes.recall:
        seen = f"sees none of {watched.strikes} strikes to within 50 ms"
    return (
        f"In {watched.secs:.0f} s of film that it never trained on, the run {seen}. How loud notes "
        f"are it tells with {nearer} squared error than what is always the same."
    )


def method(watched: Watched, source: str, notes: str, mute: Sequence[str]) -> list[str]:
    """How it was measured, in sentences.

    Args:
      watched: what was measured.
      source: on what.
      notes: those that are looked for, for people.
      mute: why sounds are missing.
    """
    told = "Strikes are those of the truth files beside the films."
    if watched.heard:
        told = (
            f"Strikes are those of the truth files beside the films; {watched.heard} of "
            f"{watched.films} have none: there they are what is heard in their own sound."
        )
    said = [
        f"Measured on {watched.secs:.0f} s of film ({source}), at most {LONGEST_SECS:.0f} s. None "
        f"of it was trained on. Looked for are {notes}. {told}",
        "Films are watched as they are rendered, from a blank memory to the end. What is told with "
        "a picture is about the one before; of the last nothing is told, and it does not count.",
        "A strike is the largest probability around, from a half on, and is matched with one other "
        "at most, as many as can be. Amplitudes are read in the true sound, in windows of three "
        "pictures around each, and brought to one level, at which a note that is struck as hard "
        "as can be has the same amplitude in every recording.",
        "Always the same: the mean amplitude of each note in the training recordings, and no "
        "strikes. Other films: what the run says of another film, or of the other half of a single "
        "one. Memory wiped: the same network, which sees the pictures it always sees at once, but "
        "remembers nothing of those before.",
        f"Intervals are of 95 %: pieces of {PIECE_SECS:g} s of film are drawn again with "
        f"replacement.",
        "When sounds begin: rises of 24 mel bands, and, each note by itself, what is heard as "
        "strikes are heard in films without truth. The nearest are matched first.",
    ]
    return [*said, *mute]
