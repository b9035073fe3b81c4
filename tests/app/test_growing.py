import numpy as np
import pytest

from app.state.growing import GrowingTable


def test_older_versions_stay_as_they_were() -> None:
    old = GrowingTable.empty("x", "y").append(1, 10)
    newer = old.append(2, 20)
    branch = old.append(3, 30)
    assert old.column("x").tolist() == [1]
    assert newer.column("x").tolist() == [1, 2]
    assert branch.column("x").tolist() == [1, 3]
    assert branch.last("y") == 30
    assert GrowingTable.empty("x").last("x") is None


def test_columns_cannot_be_written() -> None:
    table = GrowingTable.empty("x").append(1)
    with pytest.raises(ValueError, match="read-only"):
        table.column("x")[0] = 5


def test_appending_copies_rarely() -> None:
    table = GrowingTable.empty("x")
    rooms = set()
    for value in range(10_000):
        table = table.append(value)
        rooms.add(table.column("x").__array_interface__["data"][0])
    assert len(rooms) < 12
    np.testing.assert_array_equal(table.column("x"), np.arange(10_000))


def test_before_cuts_the_tail() -> None:
    table = GrowingTable.empty("step")
    for step in range(5):
        table = table.append(step)
    assert table.before("step", 3).column("step").tolist() == [0, 1, 2]
    assert table.before("step", 9) is table
