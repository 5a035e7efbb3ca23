"""The page of a visualizer's report."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from wyh.report.document import big, document, inlined, number, play
from wyh.report.findings import Figure
from wyh.report.rivals import Rival

_BODY = Template("""<section class="hero">
<div class="seen"><video controls loop playsinline preload="metadata" src="$film"></video>
<div><p><b>The sample.</b> Where most begins in $stretch, from $begin s on.</p>
<ul class="plays">$plays</ul></div></div>
<div class="strip"><img src="$sheet" alt="Contact sheet of all of the sound"></div>
<p>All of the sound at a glance, from left to right and down.</p>
</section>
<ul class="big">$big</ul>

<h2>Picture by picture</h2>
<p>Twelve pictures that follow one another: where most begins, and where least happens.</p>
<figure class="wide strip"><img src="$busy" alt="Consecutive pictures where most begins">
<figcaption><b>Where most begins</b>, half a second.</figcaption></figure>
<p></p>
<figure class="wide strip"><img src="$calm" alt="Consecutive pictures where least happens">
<figcaption><b>Where least happens</b>, half a second.</figcaption></figure>

<h2>Against pictures that nobody trained</h2>
<p>How much of the sound is read in pictures of other kinds, all through the same encoder.</p>
<ul class="bars">$bars</ul>
<p class="key">R2 of all features of held-out sound, after H.264 at crf 23. In small print: the
feature that is read worst, and how many half seconds are told apart.</p>

<h2>What the pictures know</h2>
<p>The sound is described by its features: levels of bands, from low to high. Each picture is read
on its own.</p>
<div class="charts">
<figure class="wide"><img src="$features" alt="Features as heard above features as read">
<figcaption><b>Heard, and read in the compressed video</b>: held-out sound, joined.</figcaption>
</figure>
<figure><img src="$each" alt="R2 of each feature">
<figcaption><b>Feature by feature</b>: how much of each is known.</figcaption></figure>
<figure><img src="$events" alt="What begins in the sound above change of the pictures">
<figcaption><b>When sounds begin, and when pictures change</b>: the sample.</figcaption></figure>
</div>
$beside
""")

_NAMES = {
    "mean": "mean of the sound",
    "chance": "chance",
    "shuffled": "shuffled",
    "music": "held-out sound",
    "limit_off": "without the limit",
    "photographs": "photographs",
    "run_ridge": "this run by ridge",
    "untrained": "untrained by ridge",
    "pca": "PCA by ridge",
}


@dataclass(frozen=True)
class Told:
    """All that the page shows.

    Attributes:
      source: what was measured on.
      sentence: the result.
      figures: the table.
      rivals: the run first.
      drawn: files by their place on the page.
      sounds: label, what is told of it, and file of each.
      stretch: the name of the sample's recording.
      begin_secs: where the sample begins in it.
      method: sentences.
      beside: a section of other runs, or nothing.
      facts: of the run, for the foot.
    """

    source: str
    sentence: str
    figures: list[Figure]
    rivals: list[Rival]
    drawn: dict[str, Path]
    sounds: list[tuple[str, str, Path]]
    stretch: str
    begin_secs: float
    method: list[str]
    beside: str
    facts: dict[str, Any]


def page(told: Told, run: str, kind: str) -> str:
    """The whole page, pictures and sounds within it."""
    body = _BODY.substitute(
        {name: inlined(path) for name, path in told.drawn.items()},
        stretch=escape(told.stretch),
        begin=number(told.begin_secs),
        plays="".join(play(*sound) for sound in told.sounds),
        big="".join(big(figure) for figure in told.figures if figure.headline),
        bars=_bars(told.rivals),
        beside=told.beside,
    )
    return document(
        title="What you see is what you hear",
        run=run,
        source=[kind, told.source],
        sentence=told.sentence,
        body=body,
        figures=told.figures,
        labels=_NAMES,
        method=told.method,
        created=told.facts["created"],
        versions=told.facts["versions"],
    )


def _bars(rivals: Sequence[Rival]) -> str:
    items = []
    for rival in rivals:
        r2, worst = rival.kept.r2, rival.kept.worst
        note = f"worst {worst:.2f} \N{MIDDLE DOT} {100 * rival.found:.0f} % of half seconds"
        own = ' class="own"' if rival.own else ""
        width = 100 * min(max(r2, 0.0), 1.0)
        told = f"{r2:.3f}".replace("-", "\N{MINUS SIGN}")
        items.append(
            f'<li{own}><span class="who">{escape(rival.label)}'
            f"<small>{escape(note)}</small></span><div>"
            f'<div class="track"><i style="width:{width:.1f}%"></i><b>{told}</b></div></div></li>'
        )
    return "".join(items)
