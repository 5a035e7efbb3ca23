"""What `--data` of an experiment names: a prepared data set, raw media, or nothing at all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from data_prep import images, video
from wyh.dataset import WORK, Dataset, is_dataset, open_dataset
from wyh.errors import WyhError
from wyh.media.find import find_files, kind_by_name
from wyh.samples import SAMPLE
from wyh.specs import Fit
from wyh.transducers.compile import cache_dir


def open_data(
    given: Sequence[Path], *, size: str, fit: Fit, sample_rate: int, channels: Literal[1, 3] = 3
) -> Dataset:
    """Open a data set; media are prepared into the cache first, so the next time is quick.

    Args:
      given: one directory of a data set, or video files, photos and folders of either; nothing
        means the bundled sample.
      size: of the pictures where media are prepared, as in `data_prep.video`.
      fit: how pictures of another shape are made to fit.
      sample_rate: Hz.
      channels: 3 = colour, 1 = grey.

    Raises:
      WyhError: nothing usable, or several data sets at once.
    """
    if len(given) == 1 and (is_dataset(given[0]) or any(given[0].glob(f"{WORK}*"))):
        return open_dataset(given[0])
    if any(is_dataset(path) for path in given):
        raise WyhError("got several inputs with a prepared data set among them, wanted that alone")
    paths = tuple(given) or (SAMPLE,)
    named, found = find_files(paths, leave_out=cache_dir())
    kinds = {kind_by_name(path) for path in (*named, *found)}
    out = cache_dir() / "data"
    if "image" in kinds and "video" not in kinds:
        photos = images.Config(
            paths, out, size=size, fit=fit, sample_rate=sample_rate, channels=channels
        )
        return open_dataset(images.prepare_cached(photos))
    films = video.Config(paths, out, size=size, fit=fit, sample_rate=sample_rate, channels=channels)
    return open_dataset(video.prepare_cached(films))
