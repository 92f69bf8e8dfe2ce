from mocks import stream


def test_same_name_same_numbers():
    first = stream(1, "TNG100-1", 99, 565261, 0, "noise").normal(size=5)
    again = stream(1, "TNG100-1", 99, 565261, 0, "noise").normal(size=5)
    assert (first == again).all()


def test_every_part_of_the_name_matters():
    name = [1, "TNG100-1", 99, 565261, 0, "noise"]
    numbers = {stream(*name).integers(2**62)}
    for position, other in enumerate([2, "TNG100-2", 98, 565262, 1, "view"]):
        changed = [*name[:position], other, *name[position + 1 :]]
        numbers.add(stream(*changed).integers(2**62))
    assert len(numbers) == 7


def test_negative_integers_are_names_too():
    assert stream(1, -1).normal() != stream(1, -2).normal()
