import pytest
import tomli_w

from simcompare.cli import main
from simcompare.commands.cite import cite_run
from simcompare.pages.citations import bibtex, citations_of, short_reference


def test_names_lead_to_the_papers_they_ask_for():
    found = citations_of(["TNG50-1", "Illustris-1", "toy-3"], ["hsc-wide"], ["fsps"], ["numpy", "pandas"])
    assert {"Nelson2019a", "Pillepich2019", "Genel2014", "Aihara2018", "Conroy2009", "Harris2020"} <= set(
        found.papers
    )
    assert "Pillepich2018" not in found.papers
    assert found.unknown == ()
    assert len(found.acknowledgements) == 3


def test_unknown_simulations_are_listed_and_toys_need_none():
    assert citations_of(["MyRun"], ["sdss"]).unknown == ("simulation MyRun",)
    assert citations_of(["toy-1"]).papers == {}


def test_every_entry_is_whole():
    from simcompare.pages.citations import _entries

    entries = _entries()
    named = {key for kind in entries if kind != "paper" for entry in entries[kind] for key in entry["papers"]}
    assert named == set(entries["paper"])
    for kind in set(entries) - {"paper"}:
        assert all(entry["source"] and entry["names"] for entry in entries[kind])
    for key, paper in entries["paper"].items():
        assert key == "simcompare" or {"doi", "eprint"} & set(paper)
        assert "{" not in short_reference(paper)


def test_bibtex_has_balanced_braces_and_one_entry_per_paper():
    found = citations_of(["TNG100-1", "TNG50-1", "EAGLE"], ["sdss"], ["bc03"], ["torch"])
    text = bibtex(found)
    assert text.count("{") == text.count("}")
    assert text.count("\n@") == len(found.papers)


def test_a_run_is_followed_to_those_it_was_made_from(tmp_path, capsys):
    runs = {
        "mock": {"survey": "hsc-wide", "population": "fsps", "inputs": ["x"]},
        "score": {"images": [str(tmp_path / "mock"), str(tmp_path / "gone")]},
        "compare": {"scores": [str(tmp_path / "score")]},
    }
    for verb, settings in runs.items():
        (tmp_path / verb).mkdir()
        (tmp_path / verb / "config.toml").write_text(tomli_w.dumps({"verb": verb, verb: settings}))
    found = cite_run(tmp_path / "compare")
    assert {"Aihara2018", "Conroy2009", "Ren2019"} <= set(found.papers)
    assert main(["cite", str(tmp_path / "compare")]) == 0
    assert "@article{Aihara2018," in capsys.readouterr().out
    with pytest.raises(FileNotFoundError, match="not a run folder"):
        cite_run(tmp_path)


def test_entries_not_held_against_their_owners_page_say_so():
    used = citations_of(["TNG50-1", "SIMBA"], ["sdss", "hsc"]).used
    assert "not confirmed" in used["SIMBA"]
    assert "not confirmed" in used["hsc"]
    assert "not confirmed" not in used["TNG50-1"] + used["sdss"]
