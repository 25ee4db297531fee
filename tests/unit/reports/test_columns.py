import pytest

from embedsmith.reports._columns import Column, lay_out

NAMES = Column("model", ("short", "a-model-with-a-name-that-is-long"), "left")
NUMBERS = [Column(f"m{i}", (f"0.{i}1234", f"0.{i}5678")) for i in range(8)]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_no_line_is_longer_than_the_width(width):
    text = lay_out(NAMES, [NUMBERS], width=width)
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", [10, 40, 80, 140])
def test_every_number_survives_whole_at_any_width(width):
    words = lay_out(NAMES, [NUMBERS], width=width).split()
    for column in NUMBERS:
        assert set(column.cells) <= set(words)


def test_a_column_that_does_not_fit_goes_below_with_the_names_repeated():
    bands = lay_out(NAMES, [NUMBERS], width=60).split("\n\n")
    assert len(bands) > 1
    assert all("short" in band for band in bands)


def test_titles_of_several_lines_end_above_the_numbers():
    text = lay_out(
        Column("model", ("a",), "left"),
        [[Column("query\nms", ("1.5",)), Column("dim", ("8",))]],
        width=80,
    )
    assert text.splitlines() == ["       query", "model     ms  dim", "a        1.5    8"]


def test_cells_of_several_lines_start_in_their_row():
    text = lay_out(
        Column("model", ("a", "b"), "left"),
        [[Column("x", ("0.5\n[0, 1]", "0.7\n[0, 2]"))]],
        width=80,
    )
    assert text.splitlines() == [
        "model       x",
        "a         0.5",
        "       [0, 1]",
        "b         0.7",
        "       [0, 2]",
    ]


def test_a_group_that_fits_a_line_of_its_own_is_not_torn():
    text = lay_out(NAMES, [NUMBERS[:4], NUMBERS[4:]], width=80)
    first, second = text.split("\n\n")
    assert "m3" in first
    assert "m4" not in first
    assert "m4" in second
