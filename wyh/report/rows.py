"""The figures of a sonifier's report: what its sound keeps, and how its code is used."""

from dataclasses import replace

from wyh.metrics.codes import (
    adjacent_correlation,
    code_change,
    dead_values,
    ks_per_value,
    ks_to_uniform,
    participation_ratio,
)
from wyh.report.contenders import UNIFORM, closest, uniform_pca
from wyh.report.findings import Contender, Figure, Measured
from wyh.report.playing_rows import smooth_rows, timing_rows


def figures(m: Measured) -> list[Figure]:
    """The table, in the order of the page."""
    grouped = {
        "what the sound keeps": _kept(m),
        "neighbours agree": _topography(m),
        "the code is used": _code(m),
        "the sound is smooth": smooth_rows(m),
        "in time": timing_rows(m),
    }
    return [replace(row, group=group) for group, rows in grouped.items() for row in rows]


def _kept(m: Measured) -> list[Figure]:
    scores = m.own.scores
    listened, bands, mel = scores["listened"], scores["bands"], scores["mel"]
    pca, _ = uniform_pca(m.contenders)
    voice = next(c for c in m.contenders if c.name == "voice")
    lead = listened.gain_db.value - closest(pca).gain_db.value
    coded = [c for c in m.contenders if c.ks is not None]
    form = max(coded, key=lambda c: closest(c).gain_db.value)
    form_lead = listened.gain_db.value - closest(form).gain_db.value
    voice_lead = mel.gain_db.value - voice.scores["mel"].gain_db.value

    def others(listener: str, what: str, floor: float) -> dict[str, float]:
        values = {
            c.name: getattr(c.scores[listener], what).value
            for c in m.contenders
            if listener in c.scores
        }
        return {"mean": floor} | values

    def best_found(contender: Contender) -> float:
        return max(score.found.value for score in contender.scores.values())

    chance = 1 / m.count
    suited = {c.name: closest(c).gain_db.value for c in m.contenders}
    finders = {c.name: best_found(c) for c in m.contenders}
    return [
        Figure(
            "listened_gain_db",
            "picture kept by the sound",
            listened.gain_db.value,
            "dB",
            "higher",
            listened.gain_db,
            {"mean": 0.0} | suited,
            "gain over the mean picture of what the run's own listener decodes, at 20 dB SNR; "
            "others by the listener that suits them best",
            headline="of picture kept by the noisy sound, over the mean picture",
        ),
        Figure(
            "listened_gain_clean_db",
            "the same without noise",
            m.clean.gain_db.value,
            "dB",
            "higher",
            m.clean.gain_db,
            about="the same from the file as it is rendered",
        ),
        Figure(
            "silent_gain_db",
            "the same without any sound",
            m.silent["run"],
            "dB",
            "higher",
            baselines={name: gain for name, gain in m.silent.items() if name != "run"},
            about="a ceiling: decoded from the code itself; of PCA what its components hold",
        ),
        Figure(
            "bands_gain_db",
            "kept, by a plain listener to the bands",
            bands.gain_db.value,
            "dB",
            "higher",
            bands.gain_db,
            others("bands", "gain_db", 0.0),
            "ridge regression from what the listener reads of each band, at 20 dB SNR",
        ),
        Figure(
            "mel_gain_db",
            "kept, by an ear that knows no code",
            mel.gain_db.value,
            "dB",
            "higher",
            mel.gain_db,
            others("mel", "gain_db", 0.0),
            "ridge regression from 40 log-mel bands of each frame period, at 20 dB SNR",
        ),
        Figure(
            "lead_over_uniform_pca_db",
            "ahead of the best uniform PCA",
            lead,
            "dB",
            "higher",
            about=f"listened gain less that of {pca.label} by the listener that suits it best",
            headline=f"ahead of {pca.label} through the same synth",
            wanted=0.5,
        ),
        Figure(
            "lead_over_closed_forms_db",
            "ahead of the best code without training",
            form_lead,
            "dB",
            "higher",
            about=f"listened gain less that of {form.label}, uniform or not",
        ),
        Figure(
            "mel_lead_over_voice_db",
            "ahead of The vOICe",
            voice_lead,
            "dB",
            "higher",
            about="by log-mel bands, both with one frame period a picture",
            headline="ahead of The vOICe in the same time",
            wanted=1.5,
        ),
        Figure(
            "listened_found",
            "the right frame found by its sound",
            listened.found.value,
            "",
            "higher",
            listened.found,
            {"mean": chance} | finders,
            f"R@1: the listened picture is nearest to its own of {m.count} frames; others by the "
            "listener that suits them best",
            wanted=best_found(pca),
        ),
        Figure(
            "mel_found",
            "the same, by an ear that knows no code",
            mel.found.value,
            "",
            "higher",
            mel.found,
            others("mel", "found", chance),
            "R@1 of the picture decoded from log-mel bands",
        ),
    ]


def _topography(m: Measured) -> list[Figure]:
    correlation = adjacent_correlation(m.codes)
    beside = {c.name: c.spearman for c in m.contenders if c.spearman is not None}
    return [
        Figure(
            "spearman",
            "alike pictures sound alike",
            m.own.spearman or 0.0,
            "",
            "higher",
            baselines=beside,
            about="Spearman's correlation of picture distances with log-mel distances, no noise",
            wanted=beside.get("voice"),
        ),
        Figure(
            "adjacent_correlation",
            "neighbouring bands agree",
            correlation.adjacent,
            "",
            "higher",
            baselines={"random_pairs": correlation.random_pairs},
            about="mean correlation of neighbouring code values, against that of any two",
        ),
        Figure(
            "shift_change",
            "code change for a shift of one pixel",
            code_change(m.codes, m.moved_codes),
            "",
            "lower",
            baselines={"unrelated": 1 / 3},
            about="mean change of a code value; unrelated uniform codes change by 1/3",
        ),
    ]


def _code(m: Measured) -> list[Figure]:
    each = ks_per_value(m.codes)
    beside = {c.name: c.ks for c in m.contenders if c.ks is not None}
    return [
        Figure(
            "ks_pooled",
            "the code is uniform, all values together",
            ks_to_uniform(m.codes),
            "",
            "lower",
            baselines=beside,
            about="Kolmogorov-Smirnov distance to uniform on [0, 1], 0 to 1",
            wanted=UNIFORM,
        ),
        Figure("ks_mean", "the same, value by value", float(each.mean()), "", "lower"),
        Figure("ks_max", "the same, the worst value", float(each.max()), "", "lower"),
        Figure(
            "dead_values",
            "values that hardly move",
            dead_values(m.codes),
            f"of {m.codes.shape[1]}",
            "lower",
            about="standard deviation under 0.05",
            wanted=0,
        ),
        Figure(
            "participation_ratio",
            "directions the code uses",
            participation_ratio(m.codes),
            f"of {m.codes.shape[1]}",
            "higher",
            about="participation ratio of the covariance's eigenvalues",
        ),
    ]
