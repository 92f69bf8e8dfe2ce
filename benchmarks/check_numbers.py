"""Hold our numbers against independent ones, for every file at hand, and write docs/checked-numbers.md.

    python benchmarks/check_numbers.py DATA [--out docs/checked-numbers.md]

DATA holds ``simulated/`` and ``observed/``. Only the table is replaced in the file; what stands outside the
two marks is kept. The exit status is the number of rows that disagree.
"""

import argparse
import sys
from pathlib import Path

from check_observed import observed_rows
from check_rows import markdown
from check_simulated import simulated_rows

BEGIN, END = "<!-- table begins -->", "<!-- table ends -->"


def run(arguments: argparse.Namespace) -> int:
    """Make the tables and put them in the document."""
    tables = {"Simulated": simulated_rows(arguments.data), "Observed": observed_rows(arguments.data)}
    text = "\n\n".join(f"## {title}\n\n{markdown(rows)}" for title, rows in tables.items())
    before, _, rest = arguments.out.read_text().partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{arguments.out}: {BEGIN} and {END} are needed where the table shall stand.")
    arguments.out.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    bad = [row for rows in tables.values() for row in rows if not row.agrees]
    print(f"{sum(map(len, tables.values()))} numbers, {len(bad)} disagree", *bad, sep="\n")
    return len(bad)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/checked-numbers.md"))
    sys.exit(run(parser.parse_args()))
