"""Folders with the names, the columns and their order of each data set, and no sound in them."""

import json
from pathlib import Path

import pytest

from data_prep.sound_folds import choose_fold, shared_out
from data_prep.sound_lists import Listed, list_sounds
from wyh.errors import WyhError

ESC50 = """filename,fold,target,category,esc10,src_file,take
1-100032-A-0.wav,1,0,dog,True,100032,A
1-100038-A-14.wav,1,14,chirping_birds,False,100038,A
5-9032-A-0.wav,5,0,dog,True,9032,A
"""
URBAN8K = """slice_file_name,fsID,start,end,salience,fold,classID,class
100032-3-0-0.wav,100032,0.0,0.317551,1,5,3,dog_bark
100263-2-0-117.wav,100263,58.5,62.5,1,5,2,children_playing
102305-6-0-0.wav,102305,0.0,2.611610,1,10,6,gun_shot
"""


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def write(root: Path, name: str, text: str) -> Path:
    touch(root, name)
    (root / name).write_text(text)
    return root / name


def rows(listing):
    return [(s.name, s.label, s.group, s.fold) for s in listing.sounds]


def test_a_folder_for_each_class(tmp_path):
    touch(tmp_path, "dog/a.wav", "dog/far/b.ogg", "cat/a.mp3", "cat/notes.txt", "c.wav")
    listing = list_sounds(tmp_path, "auto")
    assert rows(listing) == [
        ("cat/a.mp3", "cat", "cat/a.mp3", None),
        ("dog/a.wav", "dog", "dog/a.wav", None),
        ("dog/far/b.ogg", "dog", "dog/far/b.ogg", None),
    ]
    told = list(listing.unusable.values())
    assert told[0] == "not a sound, by its name (.txt)"
    assert told[1].endswith("c.wav: lies in no folder of a class, wanted CLASS/c.wav")


def test_other_tables_change_nothing(tmp_path):
    touch(tmp_path, "dog/a.wav", "cat/labels.csv", "cat/b.wav")
    write(tmp_path, "about.json", '{"version": 1}')
    write(tmp_path, "broken.json", "{")
    assert [sound.label for sound in list_sounds(tmp_path, "auto").sounds] == ["cat", "dog"]


def test_what_is_to_be_written_is_no_sound(tmp_path):
    touch(tmp_path, "dog/a.wav", "set/x.wav")
    listing = list_sounds(tmp_path, "folders", leave_out=tmp_path / "set")
    assert [sound.label for sound in listing.sounds] == ["dog"]


def test_esc50(tmp_path):
    names = ("1-100032-A-0.wav", "1-100038-A-14.wav", "5-9032-A-0.wav")
    touch(tmp_path, *(f"audio/{name}" for name in names))
    write(tmp_path, "meta/esc50.csv", ESC50)
    assert rows(list_sounds(tmp_path, "auto")) == [
        ("1-100032-A-0.wav", "dog", "100032", 1),
        ("1-100038-A-14.wav", "chirping_birds", "100038", 1),
        ("5-9032-A-0.wav", "dog", "9032", 5),
    ]


def test_urbansound8k_keeps_its_folds_and_whole_files(tmp_path):
    write(tmp_path, "metadata/UrbanSound8K.csv", URBAN8K)
    touch(tmp_path / "audio/fold5", "100032-3-0-0.wav", "100263-2-0-117.wav")
    touch(tmp_path / "audio/fold10", "102305-6-0-0.wav")
    listing = list_sounds(tmp_path, "auto")
    assert rows(listing) == [
        ("fold10/102305-6-0-0.wav", "gun_shot", "102305", 10),
        ("fold5/100032-3-0-0.wav", "dog_bark", "100032", 5),
        ("fold5/100263-2-0-117.wav", "children_playing", "100263", 5),
    ]
    # Its times are those of the recording that the file was cut from.
    assert {(sound.start_secs, sound.end_secs) for sound in listing.sounds} == {(0.0, None)}
    assert choose_fold(listing.sounds, None, listing.test_fold) == 10


def test_urbansound_has_times(tmp_path):
    touch(tmp_path, "data/siren/22601.mp3", "data/siren/22601.json", "data/siren/7.wav")
    (tmp_path / "data/siren/22601.json").write_text('{"id": 22601, "tags": ["siren"]}')
    write(tmp_path, "data/siren/22601.csv", "1.0,4.5,1,siren\n6,7.25,2,car_horn\n")
    touch(tmp_path, "UrbanSound_README.txt")
    listing = list_sounds(tmp_path, "auto")
    assert [(s.name, s.label, s.group, s.start_secs, s.end_secs) for s in listing.sounds] == [
        ("siren/22601.mp3@1-4.5", "siren", "22601", 1.0, 4.5),
        ("siren/22601.mp3@6-7.25", "car_horn", "22601", 6.0, 7.25),
    ]
    (told,) = listing.unusable.values()
    assert "7.csv is missing, which tells its times" in told


def test_freesound_by_tags(tmp_path):
    touch(tmp_path, "12__ann__bark.wav", "34__ben__rain.ogg", "56__cy__x.wav", "my.wav", "no.wav")
    touch(tmp_path, "78__dee__both.wav")
    told = [
        {"id": 12, "name": "bark", "tags": ["Dog", "loud"], "username": "ann"},
        {"id": 34, "name": "rain", "tags": ["rain"], "username": "ben"},
        {"id": 78, "name": "both", "tags": ["rain", "dog"], "username": "dee"},
    ]
    write(tmp_path, "page1.json", json.dumps({"count": 3, "results": told}))
    write(tmp_path, "dev_clips_info.json", json.dumps({"56": {"tags": ["x"], "uploader": "cy"}}))
    write(tmp_path, "my.json", json.dumps({"id": 90, "tags": ["dog"], "username": "eve"}))
    listing = list_sounds(tmp_path, "auto", ("dog", "rain"))
    assert rows(listing) == [
        ("12__ann__bark.wav", "dog", "ann", None),
        ("34__ben__rain.ogg", "rain", "ben", None),
        ("my.wav", "dog", "eve", None),
    ]
    ends = [reason.rpartition(": ")[2] for reason in listing.unusable.values()]
    assert ends == [
        "its tags name no class, wanted one",
        "its tags name the classes dog, rain, wanted one",
        "no JSON tells of it",
    ]
    with pytest.raises(WyhError, match="tells tags, not classes: name those that are classes"):
        list_sounds(tmp_path, "freesound")


def test_spoken_digits(tmp_path):
    touch(tmp_path, "0_jackson_4.wav", "0_jackson_5.wav", "9/9_lucas_49.flac", "ten.wav")
    listing = list_sounds(tmp_path, "fsdd")
    assert rows(listing) == [
        ("0_jackson_4.wav", "0", "jackson", 0),
        ("0_jackson_5.wav", "0", "jackson", 1),
        ("9/9_lucas_49.flac", "9", "lucas", 9),
    ]
    assert choose_fold(listing.sounds, None, listing.test_fold) == 0
    assert "wanted a name like 7_jackson_32.wav" in next(iter(listing.unusable.values()))


def test_a_list(tmp_path):
    touch(tmp_path, "a.wav", "b c.wav")
    path = write(
        tmp_path,
        "list.csv",
        "\ufefflabel, path,start_secs,end_secs,fold,group\n"
        "dog,a.wav,,,1,\ndog,a.wav,1,2.5,1,\n\ncat,b c.wav,0.5,,2,tom\ncat,b c.wav,0.5,,2,tom\n",
    )
    assert [tuple(sound)[2:] for sound in list_sounds(path, "auto").sounds] == [
        ("dog", "a.wav", 1, 0.0, None),
        ("dog", "a.wav", 1, 1.0, 2.5),
        ("cat", "tom", 2, 0.5, None),
        ("cat", "tom", 2, 0.5, None),
    ]
    names = [sound.name for sound in list_sounds(path, "csv").sounds]
    assert names == ["a.wav@0-", "a.wav@1-2.5", "b c.wav@0.5-", "b c.wav@0.5-#2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,class\na.wav,dog\n", r"got the columns 'path,class', wanted path,label: label miss"),
        ("", r"list.csv: got the columns '', wanted path,label: path, label missing"),
        ("path,label\n", r"list.csv: names no sounds, wanted a line for each"),
        ("path,label\na.wav,\n", r"list.csv line 2: got no label, wanted one in every line"),
        ("path,label\na,b.wav,dog\n", r"line 2: got 3 values, wanted 2: path,label; names with a"),
        ("path,label,fold\na.wav,dog,x\n", r"line 2: got the fold 'x', wanted a whole number"),
        ("path,label,fold\na,dog,1\nb,cat,\n", r"line 3: got no fold, wanted one as in other lin"),
        ("path,label,start_secs\na,dog,-1\n", r"got the start_secs '-1', wanted seconds, 0 or mo"),
        ("path,label,start_secs,end_secs\na,dog,2,1\n", r"line 2: got 2 to 1 s, wanted an end af"),
        ("path,label\na\0\xff,dog\n", r"list.csv: cannot be read as CSV"),
    ],
)
def test_a_list_that_lacks_something(tmp_path, text, message):
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(WyhError, match=message):
        list_sounds(path, "csv")


def test_tables_of_others_that_lack_something(tmp_path):
    write(tmp_path, "meta/esc50.csv", "filename,category\na.wav,dog\n")
    with pytest.raises(WyhError, match=r"esc50.csv: got the columns .* wanted .*: fold missing"):
        list_sounds(tmp_path, "auto")
    with pytest.raises(WyhError, match=r"UrbanSound8K.csv: cannot be read as CSV \(No such file"):
        list_sounds(tmp_path, "urbansound8k")
    with pytest.raises(WyhError, match="no such file or directory"):
        list_sounds(tmp_path / "none", "auto")
    with pytest.raises(WyhError, match=r"esc50.csv: is a file, wanted a folder"):
        list_sounds(tmp_path / "meta/esc50.csv", "folders")
    write(tmp_path, "x/bad.json", "{")
    with pytest.raises(WyhError, match=r"bad.json: cannot be read as JSON"):
        list_sounds(tmp_path / "x", "freesound", ("dog",))


def test_missing_files_are_told_by_folder(tmp_path):
    path = write(
        tmp_path, "list.csv", "path,label\nfar/a,x\n" + "".join(f"f/{i},x\n" for i in range(9))
    )
    listing = list_sounds(path, "csv")
    assert not listing.sounds
    assert [reason for reason in listing.unusable.values()] == [
        "no such file",
        "9 of its files are missing, 0 for one",
    ]


def listed(label, group, count=1):
    return [Listed(f"{label}/{group}/{i}", Path("x"), label, group) for i in range(count)]


def test_folds_have_their_part_of_every_class_and_part_no_group():
    sounds = [s for k in range(20) for s in listed("dog", f"d{k}", 1 + k % 3)]
    sounds += [s for k in range(10) for s in listed("cat", f"c{k}")]
    sounds += listed("owl", "lone") + listed("cow", "first") + listed("cow", "second")
    folded = shared_out(sounds, 5)
    assert [s._replace(fold=None) for s in folded] == sounds
    folds = {}
    for sound in folded:
        folds.setdefault((sound.label, sound.group), set()).add(sound.fold)
    assert all(len(found) == 1 for found in folds.values())
    of = {label: [s.fold for s in folded if s.label == label] for label in ("dog", "cat")}
    assert [of["cat"].count(fold) for fold in range(1, 6)] == [2] * 5
    assert max(of["dog"].count(f) for f in range(1, 6)) - min(map(of["dog"].count, of["dog"])) <= 1
    # The last is for testing: of one alone there is something to train on, of two one each.
    assert folds["owl", "lone"] == {1}
    assert sorted(folds["cow", "first"] | folds["cow", "second"]) == [1, 5]
    assert shared_out(sounds[::-1], 5)[::-1] == folded


def test_the_fold_for_testing():
    sounds = [s._replace(fold=k) for k in (1, 2, 4) for s in listed("dog", f"g{k}")]
    assert choose_fold(sounds, None, None) == 4
    assert choose_fold(sounds, None, 2) == 2
    assert choose_fold(sounds, 1, 2) == 1
    assert choose_fold(sounds, None, 9) == 4  # the official one is not there
    with pytest.raises(WyhError, match="got test fold 3, wanted one of those there are: 1, 2, 4"):
        choose_fold(sounds, 3, None)
    with pytest.raises(WyhError, match="all sounds are of group 'g1', wanted two or more"):
        choose_fold(sounds[:1], None, None)
    other = sounds[0]._replace(group="other")
    with pytest.raises(WyhError, match="all sounds are in fold 1, wanted two or more"):
        choose_fold([sounds[0], other], None, None)
