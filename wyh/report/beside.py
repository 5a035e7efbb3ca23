"""The same figures of runs that were trained otherwise: what each choice is worth."""

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from wyh.errors import WyhError
from wyh.report.findings import Figure
from wyh.runs import Run, load_run

_SHOWN = (
    "listened_gain_db",
    "mel_gain_db",
    "listened_found",
    "spearman",
    "ks_pooled",
    "harmonics_continuous_db",
    "r2_h264",
    "worst_h264",
    "half_second_found",
    "onset_f1_100ms",
    "tone_change_percent",
    "picture_std",
    "hues_used",
    "large_forms",
    "ahead_of_best_percent",
    "stft_distance",
    "log_spectral_distance_db",
    "loudness_error_lu",
    "centroid_error_octaves",
    "onset_f1_50ms",
    "note_f1",
    "memory_f1_gain",
    "skill",
    "amplitude_rmse",
    "frame_f1",
    "live_step_p95_ms",
    "sound_accuracy",
    "macro_f1",
    "calibration_error",
    "generated_accuracy",
    "generated_worst_class",
    "mixture_both",
    "frechet_ratio",
    "precision",
    "recall",
    "diversity_ratio",
    "sharpness_ratio",
    "right_pictures",
    "right_picture_p95_ms",
    "dream_false_alarms",
    "fps",
)
_OWN_BUSINESS = ("out", "data", "resume", "preset")  # options that say nothing of the model


class Other(NamedTuple):
    """A run beside the one that is reported on."""

    changes: str  # in what it was trained otherwise
    values: dict[str, float]  # its figures, by name


def others(run: Run, paths: Sequence[Path]) -> list[Other]:
    """What the reports of other runs say.

    Args:
      run: that they are compared with.
      paths: runs that have a report.

    Raises:
      WyhError: no run, another kind, or without a report.
    """
    return [_other(run, path) for path in paths]


def _other(run: Run, path: Path) -> Other:
    other = load_run(path)
    if other.kind != run.kind:
        raise WyhError(f"got {path} of the kind {other.kind}, wanted {run.kind} to set beside it")
    file = path / "report" / "report.json"
    try:
        metrics = json.loads(file.read_bytes())["metrics"]
        values = {name: float(metrics[name]["value"]) for name in metrics}
    except FileNotFoundError:
        raise WyhError(f"{path} has no report: python -m wyh.report --run {path}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WyhError(f"{file} is damaged ({error}): make the report anew") from None
    changes = list(_changes(run.config, other.config))
    if other.data.get("fingerprint") != run.data.get("fingerprint"):
        changes.append("other recordings")
    return Other(", ".join(changes) or "the same once more", values)


def _changes(here: Mapping[str, Any], there: Mapping[str, Any], within: str = "") -> Iterator[str]:
    for name in sorted(here.keys() | there.keys()):
        one, other = here.get(name), there.get(name)
        if one == other or (not within and name in _OWN_BUSINESS):
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _changes(one, other, f"{within}{name}.")
        else:
            yield f"{within}{name} {other}"


def table(figures: Sequence[Figure], beside: Sequence[Other]) -> str:
    """A section of the page, or nothing where there is none to compare with."""
    if not beside:
        return ""
    named = {figure.name: figure for figure in figures}
    shown = [named[name] for name in _SHOWN if name in named]
    head = "".join(f"<th>{escape(figure.label)}</th>" for figure in shown)
    own = Other("this run", {figure.name: figure.value for figure in shown})
    rows = "".join(
        f"<tr><td>{escape(changes)}</td>"
        + "".join(_cell(values.get(figure.name)) for figure in shown)
        + "</tr>"
        for changes, values in (own, *beside)
    )
    return (
        "<h2>Trained otherwise</h2><p>The same figures of other runs, by what is different in "
        f"their training.</p><table><thead><tr><th></th>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _cell(value: float | None) -> str:
    told = "" if value is None else f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
    return f'<td class="value">{told}</td>'
