"""A marimba seen from above, drawn with NumPy: camera, light, bars, mallets and their shadows.

Bars are rotated rectangles with soft edges, mallets are capsules; coverage follows from distances,
so that no larger picture is drawn and made smaller. What does not move is drawn once. That a bar is
struck shows in the mallets alone: bars neither move nor flash.
"""

import numpy as np
from jaxtyping import Float, Float32, UInt8

from data_prep.marimba_camera import Camera, Look
from data_prep.marimba_score import BARS_M

BAR_WIDTH_M = 0.04
BAR_LENGTHS_M = np.linspace(0.32, 0.15, BARS_M.size)
"""Of the bars from low to high: the higher, the shorter."""

HEAD_M = 0.019  # radius of a mallet's head
STICK_M = 0.36  # from head to hand
_EXPOSURES = 6  # of one frame, averaged: its motion blur


class Painter:
    """Draws the frames of one recording."""

    def __init__(self, camera: Camera, look: Look, rng: np.random.Generator) -> None:
        """Draw what does not move.

        Args:
          camera: how it is seen.
          look: how it is lit and coloured.
          rng: textures now, the sensor's noise with every frame.
        """
        self.camera, self.look, self._rng = camera, look, rng
        x, y = np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5
        pixels = np.stack(np.broadcast_arrays(x[None], y[:, None]), axis=-1)
        self.background = _scene(camera, look, pixels, rng)
        self._light = _light(look, pixels)

    def frame(
        self, heads_m: Float[np.ndarray, "exposures 2 3"], time_secs: float
    ) -> UInt8[np.ndarray, "height width 3"]:
        """One picture: the mean of what was seen while the shutter was open.

        Args:
          heads_m: where both heads were then, as `Motion.heads_m` has it.
          time_secs: of the frame, for slow changes of light.
        """
        look, picture = self.look, self.background.copy()
        hands = hands_m(heads_m)
        elbows = hands + np.array([0.0, 0.28, 0.06])[None, None]
        dark = np.zeros(3)
        for hand in (0, 1):
            for begin, end, radius in (
                (heads_m, heads_m, HEAD_M),
                (heads_m, hands, 0.006),
                (hands, elbows, 0.03),
            ):
                fallen = [self._fallen(point[:, hand]) for point in (begin, end)]
                soft = 1.2 + 0.12 * self.camera.pixels_per_m * float(begin[:, hand, 2].mean())
                self._lay(picture, fallen[0], fallen[1], radius, dark, look.shadow, soft)
        for hand in (0, 1):
            head, grip, elbow = heads_m[:, hand], hands[:, hand], elbows[:, hand]
            self._lay(picture, grip, elbow, 0.03, np.array(look.sleeves))
            self._lay(picture, head, grip, 0.005, np.array(look.sticks))
            self._lay(picture, grip, grip + np.array([[0, 0.05, 0]]), 0.034, np.array(look.hands))
            self._lay(picture, head, head, HEAD_M, np.array(look.heads))
            # Round: lit from where shadows do not fall.
            lit = head - np.array([[*look.light_m, 0]]) * 0.3 * HEAD_M
            self._lay(picture, lit, lit, 0.5 * HEAD_M, np.minimum(np.array(look.heads) + 0.2, 1))
        return self._exposed(picture, time_secs)

    def _fallen(self, points_m: Float[np.ndarray, "exposures 3"]) -> np.ndarray:
        """The shadows of points, on the bars."""
        low = points_m.copy()
        low[:, :2] += np.array(self.look.light_m)[None] * (points_m[:, 2:] + 0.01)
        low[:, 2] = 0
        return low

    def _lay(
        self,
        picture: Float32[np.ndarray, "height width 3"],
        begin_m: np.ndarray,
        end_m: np.ndarray,
        radius_m: float,
        colour: np.ndarray,
        opacity: float = 1.0,
        soft: float = 1.0,
    ) -> None:
        """Lay a capsule between two points over the picture, blurred over the exposures.

        A soft edge is `soft` pixels wide. Higher things are seen larger.
        """
        camera = self.camera
        a, b = camera.to_pixels(begin_m), camera.to_pixels(end_m)
        nearer = camera.height_m / (camera.height_m - begin_m[:, 2])
        radius = camera.pixels_per_m * radius_m * nearer
        reach = float(radius.max()) + soft
        ends = np.concatenate([a, b])
        left, top = np.maximum(np.floor(ends.min(axis=0) - reach), 0).astype(int)
        right, bottom = np.ceil(ends.max(axis=0) + reach).astype(int)
        box = picture[top : max(top, bottom), left : max(left, right)]
        if not box.size:
            return
        x = (left + np.arange(box.shape[1], dtype=np.float32) + 0.5)[None, None, :]
        y = (top + np.arange(box.shape[0], dtype=np.float32) + 0.5)[None, :, None]
        a, b = a.astype(np.float32)[:, :, None, None], b.astype(np.float32)[:, :, None, None]
        x, y, along = x - a[:, 0], y - a[:, 1], b - a
        if begin_m is not end_m:
            length = np.maximum(along[:, 0] ** 2 + along[:, 1] ** 2, np.float32(1e-6))
            part = np.clip((x * along[:, 0] + y * along[:, 1]) / length, 0, 1)
            x, y = x - part * along[:, 0], y - part * along[:, 1]
        edge = radius.astype(np.float32)[:, None, None] - np.sqrt(x * x + y * y)
        cover = np.clip(edge / np.float32(soft) + np.float32(0.5), 0, 1).mean(axis=0)
        cover = np.float32(opacity) * cover[..., None]
        box += cover * (colour.astype(np.float32)[None, None] - box)

    def _exposed(self, picture: np.ndarray, time_secs: float) -> UInt8[np.ndarray, "h w 3"]:
        """Light that changes slowly, and the sensor: noise that grows with the light."""
        look = self.look
        slow, slower = (np.sin(2 * np.pi * time_secs / secs) for secs in look.sway_secs)
        colour = np.array([1 + look.warmth, 1.0, 1 - look.warmth]) * look.brightness
        colour = colour * (1 + look.sway * (0.5 * slow + 0.5 * slower))
        picture = picture * self._light * colour.astype(np.float32)[None, None]
        grainy = self._rng.standard_normal(picture.shape, np.float32)
        picture += grainy * np.sqrt(0.3 + 1.4 * picture) * np.float32(self.camera.noise)
        return np.clip(picture * 255 + np.float32(0.5), 0, 255).astype(np.uint8)


def hands_m(heads_m: Float[np.ndarray, "times 2 3"]) -> Float[np.ndarray, "times 2 3"]:
    """Where the hands are that hold the mallets: nearer to the player than the heads."""
    # Sticks point away from the player's middle, less so than the arms.
    lean = 0.5 * (BARS_M[-1] / 2 - heads_m[..., 0]) + np.array([-0.25, 0.25])[None]
    lean = np.clip(lean, -0.7, 0.7)
    away = np.stack([np.sin(lean), np.cos(lean), np.zeros_like(lean)], axis=-1) * STICK_M
    hands = heads_m + away
    # The wrist does most of the swinging.
    hands[..., 1] = 0.75 * STICK_M + 0.5 * heads_m[..., 1]
    hands[..., 2] = 0.09 + 0.3 * heads_m[..., 2]
    return np.asarray(hands)


def exposure_secs(number: int, frame_rate: float, shutter: float) -> Float[np.ndarray, " times"]:
    """When a frame is exposed: evenly about the middle of `[number, number + 1) / frame_rate`."""
    parts = (np.arange(_EXPOSURES) + 0.5) / _EXPOSURES - 0.5
    return np.asarray((number + 0.5 + shutter * parts) / frame_rate)


def _scene(
    camera: Camera, look: Look, pixels: np.ndarray, rng: np.random.Generator
) -> Float32[np.ndarray, "height width 3"]:
    """Floor, frame and bars."""
    at = camera.to_bars(pixels)
    x, y = at[..., 0], at[..., 1]
    picture = np.ones((*x.shape, 3)) * np.array(look.floor)[None, None]
    picture *= (
        1 + 0.25 * _cloud(rng, x, y, 0.25)[..., None] + 0.15 * _cloud(rng, x, y, 0.03)[..., None]
    )
    sharp = camera.pixels_per_m

    def lay(
        edge_m: np.ndarray, colour: np.ndarray, soft_m: float = 0.0, opacity: float = 1.0
    ) -> None:
        cover = np.clip(edge_m / max(soft_m, 1 / sharp) + 0.5, 0, 1)[..., None] * opacity
        picture[...] += cover * (colour - picture)

    light = np.array(look.light_m)
    half = np.interp(x, BARS_M, BAR_LENGTHS_M) / 2
    ends = np.minimum(x + 0.06, BARS_M[-1] + 0.06 - x)
    for drop, colour, opacity in ((0.06, np.zeros(3), look.shadow), (0.0, np.array(look.frame), 1)):
        for side in (-1, 1):
            beam = 0.014 - np.abs(y - drop * light[1] - side * 0.56 * half)
            lay(np.minimum(beam, ends), colour[None, None], 0.03 * (drop > 0), opacity)
    tilt = look.fan_rad * np.linspace(-1, 1, BARS_M.size)
    boxes = [_box(x - BARS_M[note], y, tilt[note], note) for note in range(BARS_M.size)]
    for note in range(BARS_M.size):
        moved = _box(x - BARS_M[note] - 0.04 * light[0], y - 0.04 * light[1], tilt[note], note)
        lay(moved[0], np.zeros((1, 1, 3)), 0.02, look.shadow)
    for edge, across, along in boxes:
        shade = 1 + rng.normal(0, 0.05) - 0.25 * (across / BAR_WIDTH_M * 2) ** 2
        streaks = _cloud(rng, across * 8, along, 0.08) + 0.5 * _cloud(rng, across * 20, along, 0.1)
        colour = np.array(look.bars)[None, None] * (shade + look.grain * streaks)[..., None]
        lay(edge, colour)
        length = float(np.abs(along[edge > 0]).max(initial=0.1))
        for side in (-1, 1):
            hole = 0.005 - np.hypot(across, along - side * 0.56 * length)
            lay(np.minimum(hole, edge), colour * 0.35)
    return np.asarray(picture, np.float32)


def _box(x: np.ndarray, y: np.ndarray, tilt: float, note: int) -> tuple[np.ndarray, ...]:
    """How far inside of a bar's edge each point is, in metres, and where across and along it."""
    across, along = x * np.cos(tilt) + y * np.sin(tilt), y * np.cos(tilt) - x * np.sin(tilt)
    edge = np.minimum(BAR_WIDTH_M / 2 - np.abs(across), BAR_LENGTHS_M[note] / 2 - np.abs(along))
    return edge, across, along


def _cloud(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, size_m: float) -> np.ndarray:
    """Smooth noise of mean 0 that varies over about `size_m`: random values, interpolated."""
    table = rng.uniform(-1, 1, (64, 64))
    at = np.stack([y, x]) / size_m + rng.uniform(0, 64, (2, 1, 1))
    whole = np.floor(at).astype(int)
    row, column = at - whole
    first, second = whole % 64, (whole + 1) % 64
    top = table[first[0], first[1]] * (1 - column) + table[first[0], second[1]] * column
    bottom = table[second[0], first[1]] * (1 - column) + table[second[0], second[1]] * column
    return np.asarray(top * (1 - row) + bottom * row)


def _light(look: Look, pixels: np.ndarray) -> Float32[np.ndarray, "height width 1"]:
    """Dark corners, and a large soft shadow."""
    size = pixels.shape[1::-1]
    from_middle = (pixels / np.array(size)[None, None] - 0.5) * 2
    light = 1 - look.vignette * np.sum(from_middle**2, axis=-1) / 2
    way = from_middle @ np.array([np.cos(look.shade_rad), np.sin(look.shade_rad)])
    light *= 1 - look.shade / (1 + np.exp(-(way - 0.2) * 8))
    return np.asarray(light[..., None], np.float32)
