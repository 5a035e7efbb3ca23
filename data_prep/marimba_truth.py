"""The truth file of a score: which note is struck when and how hard, one strike a line."""

import csv
from pathlib import Path

from data_prep.marimba_score import NOTE_NAMES, Score
from wyh.transcript import COLUMNS


def write_truth(path: Path, score: Score) -> None:
    """Write the strikes as CSV: `time_secs,note,velocity`, times to 0.1 ms, notes by name.

    `wyh.transcript.read_transcript` reads it.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for strike in score.strikes:
            name = NOTE_NAMES[strike.note]
            rows.writerow((f"{strike.time_secs:.4f}", name, f"{strike.velocity:.3f}"))
