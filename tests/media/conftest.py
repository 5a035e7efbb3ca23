import pytest

from tests.media import clips


@pytest.fixture(scope="session")
def media(tmp_path_factory):
    """Makes recordings by name, each once a session: `media("cfr_mp4") -> path`."""
    folder = tmp_path_factory.mktemp("media")
    made = {}

    def get(name):
        if name not in made:
            made[name] = clips.make(folder, clips.RECIPES[name])
        return made[name]

    return get
