"""The page of a report of played notes."""

from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

from wyh.report.document import big, document, inlined, number, play
from wyh.report.findings import Figure
from wyh.report.notes_heard import quantile_ms
from wyh.report.notes_method import sentence
from wyh.report.notes_rows import RIVALS, SOUNDS, Watched
from wyh.report.notes_seen import Score
from wyh.runs import Run

_BODY = Template("""<section class="hero">
<div class="seen"><video controls loop playsinline preload="metadata" src="$film"></video>
<div><p><b>The sample.</b> $where. The film has the sound that the run makes of its pictures.</p>
<ul class="plays">$first</ul></div></div>
</section>
<ul class="big">$big</ul>

<h2>Against three references</h2>
<p>F1 of strikes, within 50 ms and of the right note: the longer the bar, the better.</p>
<ul class="bars">$bars</ul>
<p class="key">Lines: 95 % intervals over pieces of film. In small print: skill over the constant,
and which notes sound in each picture.</p>

<h2>Played and seen</h2>
<p>The brighter, the louder. Rings are strikes; those in blue were missed above, and were never
played below.$dimmed</p>
<div class="charts">$rolls</div>

<h2>The same seconds, heard</h2>
<p>What is seen, played in another way, and what would be heard if every note were known.</p>
<ul class="plays">$plays</ul>
$beside""")


class Heard(NamedTuple):
    """A sound of the sample: its name in `SOUNDS`, and its file."""

    name: str
    path: Path


@dataclass(frozen=True)
class Told:
    """All that the page shows.

    Attributes:
      watched: what was measured.
      source: on what.
      figures: all of them.
      rolls: drawings of films, with what to say of them.
      film: with the sound of the run's own synth.
      where: which one it is.
      sample: its sounds, the true one first, then the run's own.
      method: sentences.
      beside: a section of other runs, or nothing.
      dimmed: whether some of what is drawn was trained on.
    """

    watched: Watched
    source: str
    figures: list[Figure]
    rolls: list[tuple[str, Path]]
    film: Path
    where: str
    sample: list[Heard]
    method: list[str]
    beside: str
    dimmed: bool = False


def page(told: Told, run: Run) -> str:
    """The whole page, pictures and sounds within it."""
    body = _BODY.substitute(
        film=inlined(told.film),
        where=escape(told.where),
        first="".join(_played(told.watched, one) for one in told.sample[:2]),
        big="".join(big(figure) for figure in told.figures if figure.headline),
        bars=_bars(told.watched),
        dimmed=" Dimmed is what it was trained on, which does not count." if told.dimmed else "",
        rolls="".join(
            f'<figure class="wide"><img src="{inlined(path)}" alt="Piano rolls: {escape(about)}">'
            f"<figcaption>{escape(about)}</figcaption></figure>"
            for about, path in told.rolls
        ),
        plays="".join(_played(told.watched, one) for one in told.sample[2:]),
        beside=told.beside,
    )
    return document(
        title="The notes that are being played",
        run=run.directory.name,
        source=[run.kind, told.source],
        sentence=sentence(told.watched),
        body=body,
        figures=told.figures,
        labels=RIVALS | {"heard": "share heard", "median": "median film", "best": "best film"},
        method=told.method,
        created=run.created,
        versions=run.versions,
    )


def _played(watched: Watched, one: Heard) -> str:
    begun = watched.begun[one.name]
    about = f"begins within {number(quantile_ms(begun.errors_ms, 0.95))} ms, p95"
    return play(SOUNDS[one.name], about, one.path)


def _bars(watched: Watched) -> str:
    contenders = {"this run": watched.score}
    contenders |= {RIVALS[name]: score for name, score in watched.rivals.items()}
    items = []
    for label, score in sorted(contenders.items(), key=lambda item: -item[1].f1.value):
        own = ' class="own"' if label == "this run" else ""
        items.append(
            f'<li{own}><span class="who">{escape(label)}<small>{escape(_note(score))}</small>'
            f"</span><div>{_track(score)}</div></li>"
        )
    return "".join(items)


def _note(score: Score) -> str:
    return f"skill {number(score.skill.value)} \N{MIDDLE DOT} F1 {number(score.sounding.f1)}"


def _track(score: Score) -> str:
    value, low, high = (100 * part for part in score.f1)
    return (
        f'<div class="track"><i style="width:{value:.1f}%"></i>'
        f'<u style="left:{low:.1f}%;width:{high - low:.1f}%"></u>'
        f"<b>{number(round(score.f1.value, 3))}</b></div>"
    )
