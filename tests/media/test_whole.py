"""Files that are whole or not there, whenever somebody presses Ctrl-C."""

import subprocess
import sys

from wyh.media.whole import WholeFile


def test_a_file_is_there_when_it_is_kept(tmp_path):
    whole = WholeFile(tmp_path / "a.txt")
    whole.temporary.write_text("all of it")
    assert not whole.path.exists()
    whole.keep()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    other = WholeFile(tmp_path / "a.txt")
    other.drop()
    assert whole.path.read_text() == "all of it" and len(list(tmp_path.iterdir())) == 1


def test_what_nobody_could_drop_is_gone_with_the_program(tmp_path):
    """Ctrl-C between the making of a file and whoever would have dropped it."""
    program = (
        "import sys; from wyh.media.whole import WholeFile\n"
        "WholeFile(sys.argv[1]).keep()\n"
        "WholeFile(sys.argv[2])\n"
        "raise KeyboardInterrupt"
    )
    paths = [str(tmp_path / name) for name in ("kept", "begun")]
    ended = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True)
    assert ended.returncode != 0
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
