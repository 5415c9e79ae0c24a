import pytest

from neurotarget.anatomy.numberings import ITSELF, PACKAGED, numbering, parse_numbering
from neurotarget.anatomy.structures import groups, owners_of, structures


def test_each_number_is_a_structure_on_the_same_side():
    for name in (ITSELF, *PACKAGED):
        for number, (text, structure) in numbering(name).items():
            assert structure == 0 or structure in structures(), (name, number)
            side = text.split(" ")[0].casefold()
            if structure and side in ("left", "right"):
                assert structures()[structure].side == side


def test_neuromorphometrics_has_every_structure_of_synthseg():
    known = numbering("neuromorphometrics")
    found = {
        one for own in known.values() for one in owners_of(own.structure, groups()["synthseg"])
    }
    assert found == {*groups()["synthseg"]}
    assert known[47] == ("Right Hippocampus", 53)
    assert known[116].structure == 2006
    # two regions of the DKT atlas meet in this one, so it is a part of the lobe alone
    assert owners_of(known[101].structure, groups()["dkt"]) == ()
    assert owners_of(known[101].structure, groups()["lobes"]) == (1303,)


def test_a_table_names_structures_by_name_or_number():
    rows = [{"id": "1", "structure": "left hippocampus"}, {"id": "2", "structure": "53"}]
    assert {number: own.structure for number, own in parse_numbering(rows).items()} == {
        1: 17,
        2: 53,
    }


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "found no row, wanted id and structure"),
        ([{"id": "1"}], "found no structure"),
        ([{"id": "1", "structure": "hippo"}], "found the structure hippo, wanted 0 or a number"),
        ([{"id": "1", "structure": "17"}] * 2, "found the id 1 twice"),
        ([{"id": "-1", "structure": "17"}], "found the id -1, wanted a whole number"),
        ([{"id": "1", "structure": "4711"}], "found the structure 4711"),
    ],
)
def test_a_broken_table_is_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        parse_numbering(rows)


def test_an_unknown_numbering_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean neuromorphometrics"):
        numbering("neuromorphometric")
