"""The page of a report of learned sound."""

from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

import numpy as np

from wyh.metrics.intervals import Interval
from wyh.report.document import between, big, document, inlined, number, play
from wyh.report.findings import Figure
from wyh.report.foretold_rows import RIVALS, SYNTHS, Foretold, sentence
from wyh.report.foretold_sample import Heard, Sample
from wyh.report.nearness import MEASURES, Measure, Nearness, pooled_distance
from wyh.runs import Run

_BODY = Template("""<section class="hero">
<div class="seen"><video controls loop playsinline preload="metadata" src="$film"></video>
<div><p><b>The sample.</b> $where. The film has the sound that the run makes of it.</p>
<ul class="plays">$first</ul></div></div>
</section>
<ul class="big">$big</ul>

<h2>Against four references</h2>
<p>Distance from the sound that belongs to the pictures, by magnitudes at four resolutions: the
shorter the bar, the nearer.</p>
<ul class="bars">$bars</ul>
<p class="key">Lines: 95 % intervals over held-out seconds. In small print: loudness and brightness
off, and sounds that begin when they should.</p>
<div class="strip"><table><thead><tr><th></th>$measures</tr></thead>
<tbody>$rivals</tbody></table></div>
<div class="charts"><figure class="wide"><img src="$seconds" alt="Distance of each second">
<figcaption><b>Second by second</b>: where the run is below all others, it has learned something of
that second.</figcaption></figure></div>

<h2>The same seconds, by every synth</h2>
<p>One prediction from the pictures, many ways to make it sound; above them all the sound that was
recorded, below them two that never saw a model.</p>
<div class="charts"><figure class="wide strip"><img src="$spectrograms"
alt="Spectrograms of the true sound and of all synths, aligned in time">
<figcaption><b>Aligned in time</b>, all on one scale of 70 dB.$joints</figcaption></figure></div>
<ul class="plays">$plays</ul>
<div class="strip"><table><thead><tr><th></th>$measures<th>&darr; frame rate heard, dB</th>
<th>&darr; clicks, dB</th></tr></thead><tbody>$synths</tbody></table></div>
<p class="key">Frame rate heard: its loudest multiple over what lies around, while a picture stands
still; the worst picture, and in small print the median.</p>
$beside""")


@dataclass(frozen=True)
class Told:
    """All that the page shows.

    Attributes:
      foretold: what was measured.
      source: on what.
      figures: all of them; those of the group "synths" have a table of their own.
      drawn: files by their place on the page.
      sample: what is heard.
      method: sentences.
      beside: a section of other runs, or nothing.
    """

    foretold: Foretold
    source: str
    figures: list[Figure]
    drawn: dict[str, Path]
    sample: Sample
    method: list[str]
    beside: str


def page(told: Told, run: Run) -> str:
    """The whole page, pictures and sounds within it."""
    foretold, heard = told.foretold, {one.name: one for one in told.sample.heard}
    own = _played(foretold, heard.pop(foretold.own), "this run")
    lines = " Lines: there it goes on elsewhere in the film." if told.sample.joints_secs else ""
    body = _BODY.substitute(
        {name: inlined(path) for name, path in told.drawn.items()},
        film=inlined(told.sample.film),
        where=escape(told.sample.where),
        first=_played(foretold, heard.pop("true"), "the true sound") + own,
        big="".join(big(figure) for figure in told.figures if figure.headline),
        bars=_bars(foretold),
        measures="".join(
            f"<th>{'&uarr;' if m.better == 'higher' else '&darr;'} {escape(_titled(m))}</th>"
            for m in MEASURES
        ),
        rivals=_row("this run", foretold.near[foretold.own], [])
        + "".join(_row(RIVALS[name], near, []) for name, near in foretold.rivals.items()),
        joints=lines,
        plays="".join(_played(foretold, one, one.label) for one in heard.values()),
        synths="".join(_synth(foretold, name) for name in SYNTHS if name in foretold.near),
        beside=told.beside,
    )
    return document(
        title="The sound that belongs to the pictures",
        run=run.directory.name,
        source=[run.kind, told.source],
        sentence=sentence(foretold),
        body=body,
        figures=[figure for figure in told.figures if figure.group != "synths"],
        labels=RIVALS | {"median": "median picture"},
        method=told.method,
        created=run.created,
        versions=run.versions,
    )


def _titled(measure: Measure) -> str:
    return f"{measure.label}, {measure.unit}" if measure.unit else measure.label


def _played(told: Foretold, heard: Heard, label: str) -> str:
    near = told.near.get(heard.name) or told.rivals.get(heard.name)
    about = "as it was recorded, as loud as the run" if heard.name == "true" else ""
    if near is not None:
        about = f"distance {number(pooled_distance(near.apart))} over all seconds"
    if heard.name == told.own:
        label = f"{label}: {SYNTHS[told.own]}"
    return play(label, about, heard.path)


def _bars(told: Foretold) -> str:
    measure = MEASURES[0]
    contenders = {"this run": told.near[told.own]}
    contenders |= {RIVALS[name]: near for name, near in told.rivals.items()}
    values = {label: measure.interval(near) for label, near in contenders.items()}
    most = max(interval.high for interval in values.values())
    items = []
    for label, interval in sorted(values.items(), key=lambda item: item[1].value):
        own = ' class="own"' if label == "this run" else ""
        items.append(
            f'<li{own}><span class="who">{escape(label)}'
            f"<small>{escape(_note(contenders[label]))}</small></span><div>"
            f"{_track(interval, most)}</div></li>"
        )
    return "".join(items)


def _note(near: Nearness) -> str:
    _, _, loudness, centroid, begun = (measure.value(near) for measure in MEASURES)
    return (
        f"{number(loudness)} LU \N{MIDDLE DOT} {number(centroid)} octaves \N{MIDDLE DOT} "
        f"F1 {number(begun)}"
    )


def _track(interval: Interval, most: float) -> str:
    value, low, high = (100 * x / max(most, 1e-9) for x in interval)
    return (
        f'<div class="track"><i style="width:{value:.1f}%"></i>'
        f'<u style="left:{low:.1f}%;width:{high - low:.1f}%"></u>'
        f"<b>{number(round(interval.value, 3))}</b></div>"
    )


def _row(label: str, near: Nearness, more: list[str]) -> str:
    cells = [
        f'<td class="value">{number(interval.value)}<small>{between(interval)}</small></td>'
        for interval in (measure.interval(near) for measure in MEASURES)
    ]
    return f"<tr><td>{escape(label)}</td>{''.join([*cells, *more])}</tr>"


def _synth(told: Foretold, name: str) -> str:
    trial, label = told.trials[name], SYNTHS[name]
    worst, median = max(trial.harmonics_db), float(np.median(trial.harmonics_db))
    more = [
        f'<td class="value">{number(worst)}<small>median {number(median)}</small></td>',
        f'<td class="value">{number(trial.click_db)}</td>',
    ]
    return _row(f"{label} (this run)" if name == told.own else label, told.near[name], more)
