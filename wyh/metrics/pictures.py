"""How much of the pictures is kept. All pictures in [0, 1]."""

import math

import numpy as np
from jaxtyping import Float, Int

Pictures = Float[np.ndarray, "n height width channel"]

_NOTHING = 1e-12  # mean square


def gain_db(
    decoded: Pictures, pictures: Pictures, mean: Float[np.ndarray, "height width channel"]
) -> float:
    """`10 log10(MSE of the mean training picture / MSE)`, over all pictures together.

    0 dB knows nothing but the mean. Differences of a millionth count as none, so that the figure
    is finite for a perfect copy, and for pictures that are all alike.
    """
    return gain_of_errors(*squared_errors(decoded, pictures, mean))


def squared_errors(
    decoded: Pictures, pictures: Pictures, mean: Float[np.ndarray, "height width channel"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Mean squared error of each picture, and of the mean picture in its place.

    `gain_of_errors` makes one figure of them; a bootstrap draws picture by picture from both.
    """
    error = np.square(decoded - pictures).mean(axis=(1, 2, 3), dtype=np.float64)
    blank = np.square(mean - pictures).mean(axis=(1, 2, 3), dtype=np.float64)
    return error, blank


def gain_of_errors(error: Float[np.ndarray, " n"], blank: Float[np.ndarray, " n"]) -> float:
    """`gain_db` from what `squared_errors` gives, of the same pictures or of some of them."""
    ratio = max(float(np.mean(blank)), _NOTHING) / max(float(np.mean(error)), _NOTHING)
    return 10 * math.log10(ratio)


def ranks(decoded: Pictures, pictures: Pictures) -> Int[np.ndarray, " n"]:
    """For each decoded picture: how many others are as near to it as its own, or nearer.

    Euclidean distance, decoded pictures clipped to [0, 1]. Pictures identical to one's own are
    not others, so that footage which repeats itself is no riddle. 0 is the best.
    """
    wanted = pictures.reshape(len(pictures), -1).astype(np.float64)
    got = np.clip(decoded, 0, 1).reshape(len(decoded), -1).astype(np.float64)
    # The squared distance, less the squared length of the decoded picture: same for all others.
    distance = np.square(wanted).sum(axis=1) - 2 * got @ wanted.T
    numbers: dict[bytes, int] = {}
    alike = np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in wanted])
    others = alike[:, None] != alike
    # Not "<=": a decoded picture that is not a number is near to none, least of all its own.
    return np.sum(others & ~(distance > np.diagonal(distance)[:, None]), axis=1)


def reidentified(decoded: Pictures, pictures: Pictures, within: int = 1) -> float:
    """R@1, the share of decoded pictures whose nearest picture is their own; by chance 1 / n.

    Args:
      decoded: picture i was decoded from the sound of picture i.
      pictures: those to tell apart.
      within: 5 for R@5, own picture among the 5 nearest; by chance 5 / n.
    """
    return float(np.mean(ranks(decoded, pictures) < within))


def moved_one_pixel(pictures: Pictures) -> Pictures:
    """The pictures one pixel further right, their left edge repeated: a camera hardly turned."""
    return np.concatenate([pictures[:, :, :1], pictures[:, :, :-1]], axis=2)
