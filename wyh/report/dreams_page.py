"""The page of a report of what is heard and dreamt: a classifier, a GAN, or both together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import NamedTuple

from wyh.report.document import big, document, inlined
from wyh.report.findings import Figure
from wyh.runs import Run


class Drawing(NamedTuple):
    """A picture of the page, and what to say of it."""

    path: Path
    title: str
    about: str = ""
    wide: bool = True


class Section(NamedTuple):
    """A part of the page."""

    title: str
    about: str
    drawings: list[Drawing]


@dataclass(frozen=True)
class Told:
    """All that the page shows.

    Attributes:
      title: in large print.
      source: what was measured on.
      sentence: the result.
      figures: all of them.
      sections: in order.
      labels: names of baselines for people.
      method: sentences.
      hero: the first picture of the page.
      film: in its place, a film, and what to say of it.
    """

    title: str
    source: str
    sentence: str
    figures: list[Figure]
    sections: list[Section]
    labels: Mapping[str, str]
    method: list[str]
    hero: Drawing | None = None
    film: tuple[Path, str] | None = None


def page(told: Told, run: Run, beside: str = "") -> str:
    """The whole page, pictures and films within it.

    Args:
      told: what there is to say.
      run: of the run.
      beside: a section of other runs, or nothing.
    """
    shown = "".join(big(figure) for figure in told.figures if figure.headline)
    body = [_hero(told), f'<ul class="big">{shown}</ul>']
    body += [_section(section) for section in told.sections]
    return document(
        title=told.title,
        run=run.directory.name,
        source=[run.kind, told.source],
        sentence=told.sentence,
        body="\n".join([*body, beside]),
        figures=told.figures,
        labels=told.labels,
        method=told.method,
        created=run.created,
        versions=run.versions,
    )


def _hero(told: Told) -> str:
    if told.film is not None:
        path, about = told.film
        return (
            '<section class="hero"><div class="seen"><video controls loop playsinline '
            f'preload="metadata" src="{inlined(path)}"></video><p><b>The sample.</b> '
            f"{escape(about)}</p></div></section>"
        )
    if told.hero is None:
        return ""
    return (
        f'<section class="hero"><div class="strip"><img src="{inlined(told.hero.path)}" '
        f'alt="{escape(told.hero.title)}"></div><p><b>{escape(told.hero.title)}</b> '
        f"{escape(told.hero.about)}</p></section>"
    )


def _section(section: Section) -> str:
    return (
        f"<h2>{escape(section.title)}</h2><p>{escape(section.about)}</p>"
        f'<div class="charts">{_figures(section.drawings)}</div>'
    )


def _figures(drawings: Sequence[Drawing]) -> str:
    return "".join(
        f'<figure{" class=wide" if one.wide else ""}><img src="{inlined(one.path)}" '
        f'alt="{escape(one.title)}"><figcaption><b>{escape(one.title)}</b> {escape(one.about)}'
        f"</figcaption></figure>"
        for one in drawings
    )
