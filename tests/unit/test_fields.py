"""The tables of cells and fields, and the answer that is made from counters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swiftstats import fields

#: The order in segments, period files and tables. It may grow at its end; a change elsewhere would misread what is stored.
CELLS_OF_VERSION_1 = (
    "unbilled_bytes_in", "unbilled_bytes_out", "passed_in", "passed_out", "get_count", "put_count", "head_count", "post_count",
    "delete_count", "other_count", "denied", "client_errors", "server_errors", "disconnects",
)
TITLES_OF_2012 = ("Bytes_In", "Bytes_Out", "DELETE", "GET", "HEAD", "OTHER", "POST", "PUT")

stored = st.integers(0, fields.STORED_MAX)


def test_cells_keep_their_places():
    """A cell never moves, so a file written by an older version is read right by a newer one."""
    assert fields.CELLS[: len(CELLS_OF_VERSION_1)] == CELLS_OF_VERSION_1


def test_cells_are_named_once():
    """Every cell has one place, and the index knows it."""
    assert len(set(fields.CELLS)) == fields.CELL_COUNT
    assert all(fields.CELLS[index] == name for name, index in fields.CELL_INDEX.items())


def test_unbilled_cells_stand_before_passed_cells():
    """A reader that reads in order reads unbilled before passed, so bytes can never come out negative."""
    for field in fields.FIELDS:
        if field.minus is not None:
            assert fields.CELL_INDEX[field.minus] < fields.CELL_INDEX[field.plus], field.name


def test_answers_begin_as_in_2012():
    """Scripts written for the 2012 service find its eight figures, in its order, before the newer ones."""
    assert tuple(field.title for field in fields.FIELDS[:8]) == TITLES_OF_2012


def test_every_cell_is_answered():
    """Nothing is counted that no answer shows."""
    shown = {field.plus for field in fields.FIELDS} | {field.minus for field in fields.FIELDS if field.minus}
    assert shown == set(fields.CELLS)


def test_field_names_and_titles_are_unique_and_tell_the_same():
    """A figure has one name in code and one title in answers, which differ in case only."""
    assert len({field.name for field in fields.FIELDS}) == len(fields.FIELDS)
    assert all(field.name.lower() == field.title.lower() for field in fields.FIELDS)


def test_every_field_says_unit_and_meaning():
    """No figure is shown without a unit and a sentence that says what it counts."""
    for field in fields.FIELDS:
        assert field.unit in ("B", "request"), field.name
        assert field.help.endswith("."), field.name


def test_bytes_are_what_passed_less_what_proved_unbilled():
    """Bytes of refused and failed requests are subtracted from those that passed, and shown apart."""
    cells = [0] * fields.CELL_COUNT
    cells[fields.CELL_INDEX["passed_in"]] = 1000
    cells[fields.CELL_INDEX["unbilled_bytes_in"]] = 300
    answer = dict(zip((field.name for field in fields.FIELDS), fields.values(cells)))
    assert (answer["bytes_in"], answer["unbilled_bytes_in"]) == (700, 300)


@given(st.lists(st.tuples(*[stored] * fields.CELL_COUNT), max_size=5))
def test_values_of_a_sum_are_the_sum_of_values(rows):
    """Adding up hours and then answering gives the same as answering each hour and adding up, beyond 2^63 too."""
    total = tuple(map(sum, zip(*rows))) if rows else (0,) * fields.CELL_COUNT
    summed = tuple(map(sum, zip(*map(fields.values, rows)))) if rows else (0,) * len(fields.FIELDS)
    assert fields.values(total) == summed
