from wyh.media.web.limits import Bucket


def test_a_bucket_lets_through_what_flows_in():
    now = [0.0]
    bucket = Bucket(10, 5, clock=lambda: now[0])
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]
    now[0] = 0.2
    assert bucket.take(2) and not bucket.take()
    now[0] = 100.0  # no more than it holds
    assert bucket.take(5) and not bucket.take()


def test_what_is_refused_takes_nothing():
    bucket = Bucket(1, 3, clock=lambda: 0.0)
    assert not bucket.take(4)
    assert bucket.take(3)
