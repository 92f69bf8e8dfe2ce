"""Score a galaxy of every family of simulations at hand with the shipped flows, and print the table.

    python benchmarks/real_families.py DATA OUT [--model sdss-gri] [--views 4]

DATA holds ``simulated/``; the real galaxies held against are the held-out ones of the shipped flow. Each
family is put at a redshift at which its galaxies fall into the magnitudes that the flow has seen. With one to
ten galaxies a family this ranks nothing; it shows that the whole way works on real files, and how wide the
intervals are.
"""

import argparse
import sys
from pathlib import Path

from simcompare.cli import main
from simcompare.comparison.report_table import read_comparison

# Folder, files, redshift.
FAMILIES = {
    "Illustris-1": ("illustris1_snap135_m31_analogs", "*.hdf5", 0.15),
    "Illustris-1-SKIRT": ("illustris1_skirt_sdss_snap135", "*.fits", 0.15),
    "TNG100-1": ("tng100_sub565261_z0", "cutout_*.hdf5", 0.04),
    "TNG100-1 sample": ("tng100_sub9_snap78_subsample", "*.hdf5", 0.03),
    "CAMELS-TNG": ("camels_tng_cv0_snap086", "", 0.1),
    "EAGLE": ("eagle_gn92_sgn9_snap28", "*.hdf5", 0.1),
    "EAGLE sample": ("eagle_snap25_subsample", "*.hdf5", 0.05),
    "Horizon-AGN": ("horizonagn_galaxy_subsample", "*.h*5", 0.1),
    "Magneticum": ("magneticum_galaxy_snap112_subsample", "*.h*5", 0.05),
    "COLIBRE": ("colibre_galaxy_snap127", "*.hdf5", 0.05),
    "RAMSES": ("ramses_mini_oldformat", "output_*", 0.05),
    "FIRE merger": ("realsim_merger_skirt_sdss", "*.fits*", 0.15),
}


def run(arguments: argparse.Namespace) -> int:
    """Mock, score and compare; families that cannot be are named with the reason their command gave."""
    out, sets, failed = arguments.out, [], []
    bands = "gri" if arguments.model.endswith("gri") else "r"
    for name, (folder, pattern, redshift) in FAMILIES.items():
        source = arguments.data / "simulated" / folder
        files = sorted(source.glob(pattern)) if pattern else [source]
        target = out / name.replace(" ", "-")
        code = main(
            [
                "mock", *map(str, files), "--out", str(target), "--name", name, "--bands", bands,
                "--redshift", str(redshift), "--views", str(arguments.views), "--workers", "1",
            ]
        )  # fmt: skip
        (failed if code else sets).append(name if code else target)
    main(["score", *map(str, sets), "--model", arguments.model, "--out", str(out / "scores")])
    main(["compare", str(out / "scores"), "--out", str(out / "comparison")])
    table = read_comparison(out / "comparison")
    columns = ["dataset", "n_galaxies", "delta_mean", "delta_mean_low", "delta_mean_high", "auc", "caution"]
    table[columns].pprint(max_lines=-1, max_width=-1)
    print(f"not made: {', '.join(failed) or 'none'}")
    return len(failed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="sdss-gri")
    parser.add_argument("--views", type=int, default=4)
    sys.exit(run(parser.parse_args()))
