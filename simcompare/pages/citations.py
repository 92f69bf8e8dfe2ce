"""Whom to cite and thank for a run: its simulations, surveys, stellar populations, methods and software."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from simcompare import __version__

__all__ = ["Citations", "bibtex", "citations_of", "short_reference"]

_NOT_PUBLISHED = ("toy",)
_OWNED = ("simulation", "survey")
_UNCONFIRMED = "papers from the literature, not confirmed on the owners' page: look there"
_TEX = {"{\\'e}": "é", "{\\'c}": "ć", "{\\v Z}": "Ž", "\\&": "&", "{": "", "}": ""}


@dataclass(frozen=True)
class Citations:
    """What a run used, and the papers that go with it.

    Parameters
    ----------
    papers : dict of str to dict
        Fields of each paper by its key, in the order of use.
    used : dict of str to str
        For each thing used by name, its kind and where the request to cite it stands.
    acknowledgements : tuple of str
        Where the owners of the data keep the wording they want.
    unknown : tuple of str
        Simulations and surveys without an entry; their authors should be asked.
    """

    papers: dict[str, dict]
    used: dict[str, str]
    acknowledgements: tuple[str, ...]
    unknown: tuple[str, ...]


@cache
def _entries() -> dict:
    """Read the table of references."""
    return tomllib.loads((files("simcompare") / "data" / "citations.toml").read_text(encoding="utf-8"))


def _plain(name: str) -> str:
    """Name in lower case without spaces and hyphens."""
    return "".join(letter for letter in name.lower() if letter.isalnum() or letter == "_")


def citations_of(
    simulations: Iterable[str] = (),
    surveys: Iterable[str] = (),
    populations: Iterable[str] = (),
    software: Iterable[str] = (),
    methods: Iterable[str] = (),
) -> Citations:
    """Collect the papers of what was used.

    Parameters
    ----------
    simulations, surveys, populations, software, methods : iterable of str
        Names as they stand in tables and provenance. Toys need no citation; software without an
        entry is left out; an unknown simulation or survey is listed.
    """
    groups = {
        "simulation": simulations,
        "survey": surveys,
        "population": populations,
        "method": methods,
        "software": software,
    }
    keys, used, thanks, unknown = {}, {}, {}, []
    for kind, names in groups.items():
        for name in dict.fromkeys(str(each) for each in names):
            if not name or _plain(name).startswith(_NOT_PUBLISHED):
                continue
            papers_of = [
                entry
                for entry in _entries()[kind]
                if any(_plain(name).startswith(start) for start in entry["names"])
            ]
            if not papers_of and kind in _OWNED:
                unknown.append(f"{kind} {name}")
            for entry in papers_of[:1]:
                keys |= dict.fromkeys(entry["papers"])
                doubt = "" if entry.get("confirmed") or kind not in _OWNED else f"; {_UNCONFIRMED}"
                used[name] = f"{kind}; {entry['source']}{doubt}"
                thanks |= {entry["acknowledge"]: None} if entry["acknowledge"] else {}
    papers = {key: _entries()["paper"][key] for key in keys}
    return Citations(papers, used, tuple(thanks), tuple(unknown))


def short_reference(paper: dict) -> str:
    """One line that names a paper: authors, year, journal, identifier."""
    author = paper["author"].split(",")[0].strip("{}")
    several = " et al." if " and " in paper["author"] else ""
    place = ", ".join(str(paper[name]) for name in ("year", "journal", "volume", "pages") if name in paper)
    mark = f"doi:{paper['doi']}" if "doi" in paper else f"arXiv:{paper.get('eprint', '')}"
    where = f" ({place})" if place else ""
    text = f"{author}{several}{where}, {paper['title']}" + (f", {mark}" if mark != "arXiv:" else "")
    return _without_tex(text)


def _without_tex(text: str) -> str:
    """Write out the few TeX marks of our entries."""
    for tex, letter in _TEX.items():
        text = text.replace(tex, letter)
    return text


def bibtex(citations: Citations) -> str:
    """Write the papers as BibTeX; who asks for what, and what is unknown, stand above as comments.

    Returns
    -------
    str
        The content of a ``.bib`` file.
    """
    lines = [f"% References of a run of simcompare {__version__}. Check them against the owners' pages."]
    lines += [f"% {name}: {request}" for name, request in citations.used.items()]
    lines += [f"% Acknowledge: {text}" for text in citations.acknowledgements]
    lines += [f"% No entry for {name}: ask its authors how to cite it." for name in citations.unknown]
    for key, paper in citations.papers.items():
        fields = dict(paper) | ({"archivePrefix": "arXiv"} if "eprint" in paper else {})
        kind = "article" if "journal" in paper else "misc"
        body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
        lines.append(f"\n@{kind}{{{key},\n{body}\n}}")
    return "\n".join(lines)
