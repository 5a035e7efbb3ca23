import pytest

from wyh.errors import WyhError
from wyh.live.log import Emitted, LogWriter, Observed, read_log


def test_a_log_is_read_as_it_was_written(tmp_path):
    events = [Observed(0, 3), Emitted(0, 0, 0.0), Emitted(1, 0, 64 / 8000), Observed(2, 5)]
    with LogWriter(tmp_path / "log.jsonl") as log:
        for event in events:
            log(event)
    log(Observed(3, 6))  # too late: forgotten
    assert read_log(tmp_path / "log.jsonl") == events


@pytest.mark.parametrize("line", ["no json", '{"tick": 1}', '{"block": 1, "more": 2}', "[]"])
def test_what_is_no_log(tmp_path, line):
    path = tmp_path / "log.jsonl"
    path.write_text('{"tick": 0, "frame": 0}\n' + line + "\n")
    with pytest.raises(WyhError, match=r"is no log of wyh live: see its line 2"):
        read_log(path)
