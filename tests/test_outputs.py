import errno

import pytest

from eo_pretrain_qgis.errors import Cancelled, DataError
from eo_pretrain_qgis.outputs import new_file, new_folder


def names(folder):
    return sorted(child.name for child in folder.iterdir())


def test_file_takes_its_place_at_the_end(folder):
    with new_file(folder / "deep" / "a.json") as part:
        part.write_text("whole", encoding="utf-8")
        assert part.parent == folder / "deep"
        assert names(folder / "deep") == sorted(["a.json.claim", part.name])
    assert names(folder / "deep") == ["a.json"]


@pytest.mark.parametrize(("raised", "expected", "sentence"), [
    (Cancelled(), Cancelled, ""), (ValueError("bug"), ValueError, "bug"),
    (OSError(errno.ENOSPC, "No space left on device"), DataError, "The disk is full while writing"),
    (PermissionError(errno.EACCES, "Permission denied"), DataError, "may not be written"),
])
def test_nothing_is_left_after_an_error(folder, raised, expected, sentence):
    with pytest.raises(expected, match=sentence), new_file(folder / "a.json") as part:
        part.write_text("half", encoding="utf-8")
        raise raised
    with pytest.raises(expected, match=sentence), new_folder(folder / "data") as place:
        (place / "half.npy").write_text("half", encoding="utf-8")
        raise raised
    assert names(folder) == []


def test_folder_that_holds_files_is_refused(folder):
    (folder / "old.txt").write_text("old", encoding="utf-8")
    with pytest.raises(DataError, match=r"already holds files. Choose a new or empty folder."), new_folder(folder):
        pass
    assert names(folder) == ["old.txt"]


def test_empty_folder_and_the_log_of_the_worker_are_fine(folder):
    (folder / "worker.log").write_text("started", encoding="utf-8")
    with new_folder(folder) as place:
        (place / "dataset.json").write_text("{}", encoding="utf-8")
        (place / "inside").mkdir()
    assert names(folder) == ["dataset.json", "inside", "worker.log"]


def test_a_copy_that_fills_the_disk_names_what_was_written(tmp_path):
    """`shutil.copyfile` names both files, what is read first."""
    with pytest.raises(DataError, match=r"^The disk is full while writing .*given\. Free some space"), new_folder(tmp_path / "given") as folder:
        raise OSError(errno.EFBIG, "File too large", str(tmp_path / "mine.bin"), None, str(folder / "weights.bin"))
