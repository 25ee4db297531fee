import pytest

from embedsmith.evaluation._labels import label_specs, run_files
from embedsmith.exceptions import ModelError


def test_labels_are_the_last_part_where_that_is_enough():
    assert label_specs(["st:models/a", "st:b/", "bm25"]) == ("a", "b", "bm25")


def test_labels_take_as_many_parts_as_tell_the_models_apart():
    assert label_specs(["st:x/y/m", "st:z/y/m"]) == ("x/y/m", "z/y/m")


def test_labels_of_one_place_read_by_two_backends_keep_the_backend():
    assert label_specs(["st:m", "onnx:m"]) == ("st:m", "onnx:m")


def test_a_model_given_twice_is_refused_by_name():
    with pytest.raises(ModelError, match=r"'st:m' is given 2 times.*Name it once"):
        label_specs(["st:m", "bm25", "st:m"])


def test_no_model_is_refused_with_an_example():
    with pytest.raises(ModelError, match=r"'all-MiniLM-L6-v2' \(--model all-MiniLM"):
        label_specs([])


@pytest.mark.parametrize("name", ["../../etc/x", "a b", "ü", "..", "", "st:C:\\m"])
def test_run_files_cannot_leave_their_folder(name):
    (file,) = run_files([name])
    assert file.endswith(".run")
    assert not file.startswith(".")
    assert not set(file) & set("/\\: ")


def test_run_files_differ_where_a_file_system_ignores_case():
    assert run_files(["M", "m", "m"]) == ("M.run", "m-2.run", "m-3.run")
