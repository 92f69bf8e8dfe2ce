"""Hostile names: as file names, as words of a shell, on one line."""

import itertools
import logging
import os
import re
import subprocess
from pathlib import Path

import pytest

from simcompare.runs.names import PrintableFormatter, file_name, file_names, printable, shell_word

HOSTILE = [
    "", ".", "..", "...", "/", "//", "/etc/passwd", "../../x", "a/b", "a_b", "a b", "a\\b", "a:b", "a*b?",
    "~root", "-rf", "--out", "$(touch x)", "`touch x`", "a;touch x", "a&b", "a|b", "a'b", 'a"b', "a\nb",
    "a\r",
    "a\tb", "\x1b]0;x\x07", "a\x00b", "\u2028", "\u202eabc", "caf\u00e9", "cafe\u0301", "\u661f\u7cfb",
    "\ud800", "CON", "con", "con.txt", "Aux.fits", "nul", "COM1", "lpt9.x", "com10", "a.", "a ", " a",
    ".hidden",
    "TNG", "tng", "Tng", "tnG", "TNG100-1", "tng100-1", "=2e", "=", "a=20b", "~", "a~8", "a~", "%2e",
    "x" * 119, "x" * 120, "x" * 121, "x" * 300, "X" * 300, "x" * 300 + "y", "\u661f" * 100,
    "x" * 60 + "~" + "0" * 32,
    "<script>alert(1)</script>", "{{ 7*7 }}", "${HOME}", "%PATH%", "file.tmp", "part-0000.h5",
]  # fmt: skip
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_any_name_is_a_file_name_on_every_system(name, tmp_path):
    made = file_name(name)
    assert re.fullmatch(r"[A-Za-z0-9._+=~-]{1,120}", made)
    assert made[0] not in ".-~"
    assert made[-1] != "."
    assert not RESERVED.fullmatch(made)
    (tmp_path / f"{made}-0000.h5").write_bytes(b"")
    assert os.listdir(tmp_path) == [f"{made}-0000.h5"]


def test_different_names_give_different_file_names_whatever_the_case():
    made = [file_name(name).lower() for name in HOSTILE]
    assert len(set(made)) == len(HOSTILE)
    words = ["".join(letters) for n in range(5) for letters in itertools.product("aA.~=8/", repeat=n)]
    assert len({file_name(word).lower() for word in words}) == len(words)


def test_plain_names_stay_as_they_are():
    for name in ("tng100-1", "galaxy_7", "j0042+0100", "real", "a.b"):
        assert file_name(name) == name
    assert file_name("TNG100-1-099-12") == "TNG100-1-099-12~e"


def test_names_that_lie_together_keep_capitals_unless_two_differ_by_them_alone():
    assert file_names(["TNG", "Eagle", "eagle", "a;b"]) == {
        "TNG": "TNG", "Eagle": "Eagle~8", "eagle": "eagle", "a;b": "a=3bb",
    }  # fmt: skip
    made = [made.lower() for made in file_names(HOSTILE).values()]
    assert len(set(made)) == len(HOSTILE)


@pytest.mark.parametrize("name", [name for name in HOSTILE if "\0" not in name and name != "\ud800"])
def test_a_shell_takes_any_name_as_one_word(name, tmp_path):
    script = f"printf '%s\\n' {shell_word(name)} end"
    done = subprocess.run(["sh", "-c", script], capture_output=True, cwd=tmp_path, check=True)
    assert done.stdout.decode() == f"{name}\nend\n"
    assert os.listdir(tmp_path) == []


def test_no_shell_holds_a_zero_byte():
    with pytest.raises(ValueError, match="zero byte"):
        shell_word("a\0b")


def test_control_characters_are_shown():
    assert printable("a\nb\x1b[2J\u2028\u202e") == r"a\nb\x1b[2J\u2028\u202e"
    assert printable("galaxy 7, caf\u00e9 \u661f") == "galaxy 7, caf\u00e9 \u661f"
    assert all(printable(name).isprintable() for name in HOSTILE)
    record = logging.LogRecord("x", logging.INFO, "", 1, "read %s", ("\x1b[2J",), None)
    assert PrintableFormatter("%(message)s").format(record) == r"read \x1b[2J"


def test_a_line_break_in_a_name_begins_no_line_of_the_log():
    told = ("a\nERROR: b", Path("c\nd"), OSError("e\nf"), 3)
    record = logging.LogRecord("x", logging.INFO, "", 0, "first\n%s %s %s %.1f", told, None)
    expected = "first\na\\nERROR: b c\\nd e\\nf 3.0"
    assert PrintableFormatter("%(message)s").format(record) == expected
    assert record.args == told
