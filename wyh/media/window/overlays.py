"""What lies over the window when it is asked for: the keys, and where the time goes."""

from collections.abc import Mapping

from wyh.media.window.drawing import AMBER, CARD, FAINT, INK, LINE, SOFT, Box, Canvas
from wyh.media.window.keys import KEYS, Key

STAGES = {
    "grab": "the picture comes in",
    "wait": "it waits for the model",
    "observe": "the model looks at it",
    "emit": "a block of sound is made",
    "ring": "it waits in the buffer",
    "device": "the speaker plays it",
    "total": "from picture to sound",
}
"""What the live loop's stages are, in plain words."""

SHOW_STAGES = {
    "grab": "the sound comes in",
    "wait": "it waits for the model",
    "observe": "the model listens to it",
    "ring": "it waits for the next picture",
    "emit": "a picture is made",
    "device": "it waits for its time, and is painted",
    "total": "from sound to picture",
}
"""The same where sound becomes pictures, in their order."""


def paint_help(canvas: Canvas, keys: Mapping[str, Key] = KEYS) -> None:
    """The keys, in two columns where there is room."""
    rows = [(key.shown, key.help) for key in keys.values() if key.shown]
    width = canvas.size[0]
    columns = 2 if width >= 900 * canvas.unit else 1
    per_column = -(-len(rows) // columns)
    line = min(canvas.px(46), round(canvas.size[1] * 0.72 / per_column))
    card = _card(canvas, "Keys", 1000 if columns == 2 else 620, per_column * line)
    gap = canvas.px(36)
    each = (card.w - gap * (columns - 1)) // columns
    for n, (shown, said) in enumerate(rows):
        x = card.x + n // per_column * (each + gap)
        y = card.y + n % per_column * line + line // 2
        cap = Box(x, y - canvas.px(15), canvas.px(126), canvas.px(30))
        canvas.fill(cap, LINE, 6)
        canvas.text(shown, cap.x + cap.w / 2, y, 16, INK, bold=True, across=0.5, width=cap.w)
        at = cap.right + canvas.px(16)
        canvas.text(said, at, y, 18, INK, width=x + each - at)


def paint_details(
    canvas: Canvas,
    stages: Mapping[str, Mapping[str, float | None]],
    words: Mapping[str, str] = STAGES,
) -> None:
    """Latencies of each stage in ms, as `latencies()` gives them, in the order of `words`."""
    stages = {name: stages[name] for name in words if name in stages}
    line = min(canvas.px(42), round(canvas.size[1] * 0.7 / (len(stages) + 2)))
    card = _card(canvas, "Where the time goes", 820, (len(stages) + 1) * line)
    percentiles = ("p50", "p95", "p99")
    rights = [card.right - canvas.px(104) * n for n in (2, 1, 0)]
    y = card.y + line // 2
    for said, right in zip(("median", "95 %", "99 %"), rights, strict=True):
        canvas.text(said, right, y, 16, SOFT, across=1.0)
    canvas.text("milliseconds", card.x, y, 16, SOFT)
    for name, values in stages.items():
        y += line
        total = name == "total"
        if total:
            canvas.fill(Box(card.x, y - line // 2, card.w, max(1, canvas.px(1))), LINE)
        at = canvas.text(name, card.x, y, 19, AMBER if total else INK, bold=True)
        x = max(at.right + canvas.px(14), card.x + canvas.px(110))
        room = rights[0] - canvas.px(90) - x
        canvas.text(words[name], x, y, 17, SOFT, width=room)
        for percentile, right in zip(percentiles, rights, strict=True):
            value = values.get(percentile)
            canvas.text(
                "-" if value is None else f"{value:.1f}",
                right,
                y,
                19,
                FAINT if value is None else INK,
                across=1.0,
            )
    if not stages:
        canvas.text("nothing has been measured yet", card.x, y + line, 19, SOFT)


def _card(canvas: Canvas, title: str, width: float, height: int) -> Box:
    """A card in the middle of the window; the box within for what it says."""
    pad, head = canvas.px(34), canvas.px(66)
    w = min(canvas.px(width), canvas.size[0] - canvas.px(32))
    h = height + head + pad
    card = Box((canvas.size[0] - w) // 2, max(0, (canvas.size[1] - h) // 2), w, h)
    edge = max(1, canvas.px(2))
    canvas.fill(Box(card.x - edge, card.y - edge, w + 2 * edge, h + 2 * edge), LINE, 16)
    canvas.fill(card, CARD, 16)
    canvas.text(title, card.x + pad, card.y + canvas.px(40), 25, INK, bold=True)
    closing = "Esc closes"
    canvas.text(closing, card.right - pad, card.y + canvas.px(40), 15, FAINT, across=1.0)
    return Box(card.x + pad, card.y + head, w - 2 * pad, height)
