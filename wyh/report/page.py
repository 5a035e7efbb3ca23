"""The page of a sonifier's report."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

from wyh.report.contenders import closest, uniform_pca
from wyh.report.document import between, big, document, inlined, number
from wyh.report.findings import Contender, Findings, Variation

_NAMES = {
    "mean": "mean picture",
    "random_pairs": "any two",
    "unrelated": "unrelated",
    "budget": "a frame lasts",
}
_LISTENERS = {
    "listened": "its own listener",
    "listener": "the run's listener",
    "bands": "its own bands",
    "mel": "log-mel bands",
}

_BODY = Template("""<section class="hero">
<div class="sides"><span>what was seen</span><span>what its sound knows</span></div>
<video controls loop playsinline preload="metadata" src="$film"></video>
<div class="strip"><img src="$strip" alt="Held-out pictures, above what was heard of each"></div>
<p>Seconds that training never saw. On the right is what a listener drew from this very sound, with
noise added 20 dB below it.</p>
</section>
<ul class="big">$big</ul>

<h2>Against what needs no training</h2>
<p>$against</p>
<ul class="bars">$bars</ul>
<p class="key">Thick bar: the listener that hears most of it. Thin bar: 40 log-mel bands, an ear
that knows nothing of the code. Lines: 95 % intervals. KS: distance of the code from uniform, 0 to
1.
All with noise 20 dB below the sound.</p>

<h2>What the sound looks like</h2>
<p>Every picture becomes a chord of bands; every band listens to the whole picture in its own
way.</p>
<div class="charts">
<figure class="wide"><img src="$spectrogram" alt="Spectrogram under the pictures that made it">
<figcaption><b>Spectrogram</b> of the first seconds, under their pictures.</figcaption></figure>
<figure><img src="$pixels" alt="Maps of the pixels that move twelve of the bands">
<figcaption><b>Which pixels move which band.</b> Brighter pixels make it louder where orange, softer
where violet.</figcaption></figure>
<figure><img src="$code" alt="Histogram of code values against the uniform distribution">
<figcaption><b>The code</b> of held-out pictures against uniform: the closer, the better all
loudness is used.</figcaption></figure>
</div>

<h2>Pleasant by choice</h2>
<p>One trained code, many ways to sound: each is a knob to turn while playing. The line
shows how much of the picture stays, read from the code's own bands.</p>
<ul class="plays">$plays</ul>

<h2>With which phase</h2>
<p>What the sound keeps, in dB, by how the noise bands get their phase.</p>
$phases
$beside
<h2>How long it takes</h2>
<p>$time</p>
<div class="parts">$parts</div>
<ul class="legend">$legend</ul>

""")


def page(
    findings: Findings,
    run: str,
    kind: str,
    charts: Mapping[str, Path],
    film: Path,
    wavs: list[Path],
    beside: str = "",
) -> str:
    """The whole page, pictures and sounds within it; `beside` is a section of other runs."""
    body = _BODY.substitute(
        {name: inlined(path) for name, path in charts.items()},
        film=inlined(film),
        big="".join(big(figure) for figure in findings.figures if figure.headline),
        against=_against(findings.contenders),
        bars=_bars(findings.contenders),
        plays="".join(
            _play(one, max(v.gain_db for v in findings.variations), path)
            for one, path in zip(findings.variations, wavs, strict=True)
        ),
        phases=_phases(findings),
        beside=beside,
        time=_time(findings),
        parts=_parts(findings),
        legend=_legend(findings),
    )
    return document(
        title=findings.title,
        run=run,
        source=[kind, findings.source],
        sentence=findings.sentence,
        body=body,
        figures=findings.figures,
        labels=_NAMES | {c.name: c.label for c in findings.contenders},
        method=findings.method,
        created=findings.run.get("created", ""),
        versions=findings.run.get("versions", {}),
    )


def _against(contenders: Sequence[Contender]) -> str:
    others = [c for c in contenders if not c.own]
    pca, met = uniform_pca(others)
    if met:
        text = f"Of the principal components {pca.label} is the best that is uniform on held-out "
        return escape(text + f"pictures (distance {pca.ks:.3f}).")
    return escape(
        "No principal components stay uniform on held-out pictures; of those made uniform on "
        f"training pictures {pca.label} is the best (distance {pca.ks or 0:.3f})."
    )


def _bars(contenders: Sequence[Contender]) -> str:
    most = max(
        max(score.gain_db.high for score in contender.scores.values()) for contender in contenders
    )
    items = []
    for contender in sorted(contenders, key=lambda c: -closest(c).gain_db.value):
        first = closest(contender)
        by = next(name for name, score in contender.scores.items() if score is first)
        note = f"by {_LISTENERS[by]}"
        if contender.ks is not None:
            note += f" \N{MIDDLE DOT} KS {number(contender.ks)}"
        thick = _track(first.gain_db, most, "track")
        thin = "" if by == "mel" else _track(contender.scores["mel"].gain_db, most, "track thin")
        own = ' class="own"' if contender.own else ""
        items.append(
            f'<li{own}><span class="who">{escape(contender.label)}<small>{escape(note)}</small>'
            f"</span><div>{thick}{thin}</div></li>"
        )
    return "".join(items)


def _track(gain: tuple[float, float, float], most: float, kind: str) -> str:
    value, low, high = (100 * max(x, 0) / most for x in gain)
    return (
        f'<div class="{kind}"><i style="width:{value:.1f}%"></i>'
        f'<u style="left:{low:.1f}%;width:{high - low:.1f}%"></u>'
        f"<b>{gain[0]:.1f} dB</b></div>"
    ).replace("<b>-", "<b>\N{MINUS SIGN}")


def _play(one: Variation, most_db: float, path: Path) -> str:
    kept = 100 * max(0.0, one.gain_db / max(most_db, 1e-6))
    told = (
        f"keeps {one.gain_db:.1f} dB ({one.mel_gain_db:.1f} by log-mel), "
        f"{number(round(one.loudness_lufs, 1))} LUFS"
    )
    return (
        f"<li><b>{escape(one.label)}</b><small>{escape(told)}</small>"
        f'<div class="kept"><i style="width:{kept:.0f}%"></i></div>'
        f'<audio controls preload="none" src="{inlined(path)}"></audio></li>'
    )


def _phases(findings: Findings) -> str:
    names = list(next(iter(findings.phases.values())))
    head = "".join(f"<th>{escape(_LISTENERS[name])}</th>" for name in names)
    lines = []
    for phase, scores in findings.phases.items():
        cells = "".join(
            f'<td class="value">{scores[n].gain_db.value:.2f}'
            f"<small>{between(scores[n].gain_db)}</small></td>"
            for n in names
        )
        lines.append(f"<tr><td>{escape(phase)}</td>{cells}</tr>")
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _time(findings: Findings) -> str:
    named = {figure.name: figure.value for figure in findings.figures}
    total = sum(ms for _, ms in findings.latency)
    return escape(
        f"From the middle of a picture to the middle of its sound {total:.0f} ms, without camera "
        f"and sound card. One picture takes {named['compute_p50_ms']:.1f} ms to compute (p95 "
        f"{named['compute_p95_ms']:.1f} ms), and lasts {1000 / findings.frame_rate:.1f} ms."
    )


def _parts(findings: Findings) -> str:
    total = sum(ms for _, ms in findings.latency)
    return "".join(
        f'<i class="part{at}" style="width:{100 * ms / total:.2f}%"></i>'
        for at, (_, ms) in enumerate(findings.latency)
    )


def _legend(findings: Findings) -> str:
    return "".join(
        f'<li><i class="part{at}"></i>{escape(name)} {ms:.1f} ms</li>'
        for at, (name, ms) in enumerate(findings.latency)
    )
