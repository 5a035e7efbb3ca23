"""Small sets of labelled sounds: tones of a pitch for each class, in silence."""

import json

import numpy as np

from wyh.sound_set import INDEX, WINDOWS, Sound, crc_of_ends, open_sound_set

RATE, SAMPLES = 8000, 4000
HZ = (300.0, 700.0, 1600.0)


def tone(hz, rng, samples=SAMPLES, rate=RATE):
    """A tone of 0.2 s somewhere in silence."""
    long = round(0.2 * rate)
    first = int(rng.integers(samples - long + 1))
    sound = np.zeros(samples, np.float32)
    loud = rng.uniform(0.1, 0.5)
    sound[first : first + long] = loud * np.sin(2 * np.pi * hz * np.arange(long) / rate)
    return sound


def make_sound_set(path, folds=3, each=4, groups=("ann", "ben"), windows=1):
    """A set of `each` sounds of each class in each fold."""
    rng, sounds, made = np.random.default_rng(0), [], []
    for fold in range(folds):
        for label, hz in enumerate(HZ):
            for number in range(each):
                name, group = f"{label}/{fold}_{number}.wav", groups[number % len(groups)]
                sounds.append(Sound(name, label, fold, group, windows))
                made += [tone(hz, rng) for _ in range(windows)]
    pcm = np.rint(np.stack(made) * 32767).astype(np.int16)
    path.mkdir(parents=True)
    np.save(path / WINDOWS, pcm)
    index = {
        "format": 1,
        "fingerprint": "made up",
        "sample_rate": RATE,
        "samples": SAMPLES,
        "classes": ["low", "middle", "high"],
        "test_fold": 0,
        "crc32": crc_of_ends(pcm),
        "sounds": [sound._asdict() for sound in sounds],
    }
    (path / INDEX).write_text(json.dumps(index))
    return open_sound_set(path)
