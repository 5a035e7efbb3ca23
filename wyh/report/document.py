"""What the pages of all reports share: one file that works anywhere, on wide screens and phones."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

from wyh.metrics.intervals import Interval
from wyh.report.findings import Figure

_CSS = Path(__file__).with_name("page.css")
_TYPES = {".png": "image/png", ".wav": "audio/wav", ".mp4": "video/mp4"}

_DOCUMENT = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title: $run</title>
<style>
$css</style>
</head>
<body>
<main>
<p class="eyebrow">$eyebrow</p>
<h1>$title</h1>
<p class="lead">$sentence</p>

$body
<h2>All figures</h2>
<p>&uarr; more is better, &darr; less is better. In brackets: 95 % intervals.</p>
<table class="figures"><thead><tr><th>figure</th><th>this run</th><th>beside it</th>
<th>wanted</th></tr></thead><tbody>$figures</tbody></table>

<h2>How it was measured</h2>
<ul class="method">$method</ul>
<footer>$footer</footer>
</main>
</body>
</html>
""")


def document(
    *,
    title: str,
    run: str,
    source: Sequence[str],
    sentence: str,
    body: str,
    figures: Sequence[Figure],
    labels: Mapping[str, str],
    method: Sequence[str],
    created: str,
    versions: Mapping[str, str],
) -> str:
    """A whole page: head and result, what a report has of its own, then the table and the method.

    Args:
      title: in large print.
      run: its name.
      source: what stands above the title: the kind, and what was measured on.
      sentence: the result.
      body: HTML.
      figures: of the table.
      labels: names of baselines for people.
      method: sentences.
      created: when the run was trained.
      versions: of packages, then.
    """
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    foot = [run, f"trained {created[:16]}", packages]
    return _DOCUMENT.substitute(
        css=_CSS.read_text(),
        title=escape(title),
        run=escape(run),
        eyebrow=escape(" \N{MIDDLE DOT} ".join(["wyh report", *source])),
        sentence=escape(sentence),
        body=body,
        figures=rows(figures, labels),
        method="".join(f"<li>{escape(line)}</li>" for line in method),
        footer=escape(" \N{MIDDLE DOT} ".join(part for part in foot if part)),
    )


def inlined(path: Path) -> str:
    """A file as a data URI."""
    return f"data:{_TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def number(value: float) -> str:
    """As many digits as people read, no exponent."""
    size = abs(value)
    digits = 0 if size >= 100 or value == round(value) else 1 if size >= 20 else 2
    text = f"{value:.{3 if 0 < size < 0.1 else digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def big(figure: Figure) -> str:
    """A figure in large print."""
    unit = f" <small>{escape(figure.unit)}</small>" if figure.unit else ""
    return f"<li><b>{number(figure.value)}{unit}</b><span>{escape(figure.headline)}</span></li>"


def play(label: str, about: str, path: Path) -> str:
    """A sound to be heard, for a list of the class `plays`."""
    return (
        f"<li><b>{escape(label)}</b><small>{escape(about)}</small>"
        f'<audio controls preload="none" src="{inlined(path)}"></audio></li>'
    )


def between(interval: Interval) -> str:
    """The ends of an interval."""
    return f"[{number(round(interval[1], 2))}, {number(round(interval[2], 2))}]"


def rows(figures: Sequence[Figure], labels: Mapping[str, str]) -> str:
    """The table's body, `labels` being the names of baselines for people."""
    made, group = [], ""
    for figure in figures:
        if figure.group != group:
            group = figure.group
            made.append(f'<tr class="group"><th colspan="4">{escape(group)}</th></tr>')
        made.append(_row(figure, labels))
    return "".join(made)


def _row(figure: Figure, labels: Mapping[str, str]) -> str:
    arrow = "&uarr;" if figure.better == "higher" else "&darr;"
    beside = "".join(
        f"<span>{escape(labels.get(name, name))}&nbsp;{number(value)}</span> "
        for name, value in figure.baselines.items()
    )
    interval = f"<small>{between(figure.interval)}</small>" if figure.interval else ""
    about = f"<small>{escape(figure.about)}</small>" if figure.about else ""
    wanted = ""
    if figure.wanted is not None:
        sign = "&ge;" if figure.better == "higher" else "&le;"
        mark, kind = ("&#10003;", "met") if figure.met else ("&#10007;", "missed")
        wanted = f'<span class="{kind}">{mark} {sign}&nbsp;{number(figure.wanted)}</span>'
    return (
        f"<tr><td>{arrow} {escape(figure.label)}{about}</td>"
        f'<td class="value">{number(figure.value)} {escape(figure.unit)}{interval}</td>'
        f'<td class="beside">{beside.strip()}</td><td class="wanted">{wanted}</td></tr>'
    )
