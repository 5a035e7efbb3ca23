import gc

from wyh.live import governor
from wyh.live.governor import Governor, unhindered


def test_it_tells_once_and_when_it_is_over(monkeypatch):
    now, notes = [0.0], []
    monkeypatch.setattr(governor.time, "perf_counter", lambda: now[0])
    keeps = Governor(notes.append)
    keeps.looked()
    for _ in range(3):
        keeps.leave_out(2)
        now[0] += 1.0
    keeps.looked()
    assert notes == ["this machine cannot keep up: leaving out pictures, the sound goes on"]
    now[0] += governor.CALM_SECS
    keeps.looked()
    keeps.looked()
    assert notes[1:] == ["keeping up again; pictures left out: 6"]
    keeps.leave_out(1)
    assert len(notes) == 3 and keeps.total == 7


def test_the_garbage_collector_is_as_it_was_afterwards():
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with unhindered():
        assert gc.get_freeze_count() > frozen
        assert gc.get_threshold()[2] > 100_000
    assert gc.get_threshold() == before and gc.get_freeze_count() == 0
