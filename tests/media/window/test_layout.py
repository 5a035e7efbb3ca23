from itertools import combinations

import pytest

from wyh.media.window.layout import lay_out

SIZES = [(1280, 720), (800, 600), (1920, 1080), (3840, 2160), (600, 900), (2000, 480), (480, 320)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("pictures", [1, 2])
@pytest.mark.parametrize("aspect", [0.5, 1.0, 16 / 9])
@pytest.mark.parametrize("code", [True, False])
def test_nothing_lies_over_anything_else_or_outside(size, pictures, aspect, code):
    layout = lay_out(*size, pictures=pictures, aspect=aspect, code=code)
    assert len(layout.pictures) == pictures
    assert (layout.code is not None) == code
    boxes = [layout.top, *layout.pictures, layout.side, layout.spectrum, layout.foot]
    boxes += [layout.code] if layout.code else []
    for box in boxes:
        assert box.w > 0
        assert box.h > 0
        assert 0 <= box.x <= box.right <= size[0]
        assert 0 <= box.y <= box.bottom <= size[1]
    for one, other in combinations(boxes, 2):
        apart = one.right <= other.x or other.right <= one.x
        assert apart or one.bottom <= other.y or other.bottom <= one.y, (one, other)


@pytest.mark.parametrize("aspect", [0.5, 1.0, 16 / 9])
def test_pictures_keep_their_shape(aspect):
    for box in lay_out(1280, 720, pictures=2, aspect=aspect, code=True).pictures:
        assert box.w / box.h == pytest.approx(aspect, rel=0.01)


def test_a_window_twice_as_large_has_everything_twice_as_large():
    small = lay_out(1280, 720, pictures=2, aspect=1.0, code=True)
    large = lay_out(2560, 1440, pictures=2, aspect=1.0, code=True)
    assert large.unit == 2 * small.unit
    for one, two in zip(small.pictures, large.pictures, strict=True):
        assert two == pytest.approx([2 * value for value in one], abs=3)
