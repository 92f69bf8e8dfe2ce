"""Draw a pair, and rank it and two mergers: python docs/images/make_pair_figure.py DATA OUT.

DATA holds ``simulated/realsim_merger_skirt_sdss`` (Bottrell et al. 2019, MIT licence); runs are kept in OUT.
A toy galaxy is seen alone and with another 5, 8 and 12 kpc beside it, RealSim's two mergers as they are,
all in SDSS r, and ranked among the real galaxies of the shipped model observed under like conditions. The
ranks of all are printed; drawn are the toys alone, for no downloaded pixels come with the package.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.cosmology import Planck18
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mocks.galaxy import Galaxy, Stars
from mocks.readers.particles.geometry import half_mass_radius
from mocks.toys import toy_galaxy, write_tng_snapshot
from simcompare import figures
from simcompare.commands.mock import make_mocks
from simcompare.commands.score import score_image_sets
from simcompare.figures.looks import PAGE, styled
from simcompare.images.image_set import ImageSet
from simcompare.scores.record import Scores
from simcompare.scores.structure import STRUCTURE
from simcompare.scores.typicality import add_typicality
from simcompare.settings import MockSettings, ScoreSettings

SEPARATIONS = (5.0, 8.0, 12.0)  # kpc on the sky
REDSHIFTS = {"toys": 0.1, "RealSim": 0.046}  # RealSim's own
PIXEL_SCALE = 0.396  # arcsec


def with_neighbour(galaxy: Galaxy, other: Stars, distance: float) -> Galaxy:
    """Galaxy with the stars of another beside it, moved along x [kpc]."""
    names = ["position", "velocity", "mass", "initial_mass", "age", "metallicity"]
    columns = {name: np.concatenate([getattr(galaxy.stars, name), getattr(other, name)]) for name in names}
    columns["position"][len(galaxy.stars) :, 0] += distance
    stars = replace(galaxy.stars, **columns)
    size = {"half_mass_radius": half_mass_radius(stars.position, stars.mass)}
    return replace(galaxy, stars=stars, properties=galaxy.properties | size)


def image_sets(data: Path, out: Path) -> dict[str, ImageSet]:
    """Observe the toys and the mergers; image sets by name."""
    first, second = (toy_galaxy("toy-real", np.random.default_rng([20, k])) for k in (3, 8))
    toys = [first] + [with_neighbour(first, second.stars, distance) for distance in SEPARATIONS]
    toys = [replace(each, subhalo_id=k) for k, each in enumerate(toys)]
    inputs = {
        "toys": (write_tng_snapshot(out / "snapshot", toys, n_files=1), "z"),
        "RealSim": (data / "simulated" / "realsim_merger_skirt_sdss", "1"),
    }
    return {
        name: make_mocks(
            MockSettings(
                inputs=[path], out=out / name, name=name, redshift=REDSHIFTS[name], views=views, bands="r"
            )
        )
        for name, (path, views) in inputs.items()
    }


def ranked(scores: Scores, column: str) -> list[str]:
    """Two-sided p-values among real galaxies of like brightness, size, noise and seeing, and the side."""
    marked = add_typicality(scores.with_headline(column), np.random.default_rng(1))
    sides = np.where(marked["too_likely"], "high", "low")
    values = marked.numbers("typicality_p")
    return [f"p {p:.2g}{f' ({side})' if p < 0.1 else ''}" for p, side in zip(values, sides, strict=True)]


def draw(panels: list[dict]) -> Figure:
    """Draw the images side by side, each under its own stretch, with what was measured below."""
    figure = Figure(figsize=(PAGE, 2.7), layout="constrained")
    FigureCanvasAgg(figure)
    for ax, panel in zip(figure.subplots(1, len(panels)), panels, strict=True):
        stretch = figures.common_stretch([panel["image"]], [panel["sky_sigma"]])
        ax.imshow(stretch(panel["image"]), origin="lower", cmap="gray")
        ax.set_title(panel["title"], fontsize=8)
        ax.set_xlabel(
            f"asymmetry {panel['asymmetry']:.3f}\n{panel['asymmetry_p']}\nstructure\n{panel['structure_p']}",
            fontsize=8,
        )
        kpc = 5 / (Planck18.kpc_proper_per_arcmin(panel["redshift"]).to_value(u.kpc / u.arcsec) * PIXEL_SCALE)
        ax.plot([4, 4 + kpc], [4, 4], color="white", lw=2)
        ax.text(4, 6, "5 kpc", color="white", fontsize=7)
        ax.set_xticks([])
        ax.set_yticks([])
    return figure


def measured(sets: dict[str, ImageSet], scores: Scores) -> list[dict]:
    """Image, asymmetry and ranks of every galaxy."""
    titles = ["toy galaxy, alone", *(f"another at {far:.0f} kpc" for far in SEPARATIONS)]
    titles += [f"RealSim {number}" for number in ("214", "346")]
    ranks = {"asymmetry": ranked(scores, "measured_asymmetry"), "structure": ranked(scores, STRUCTURE)}
    panels = []
    for name, images in sets.items():
        for row in np.flatnonzero(scores.equals("dataset", name)):
            index = int(scores.numbers("image_index")[row])
            panel = {f"{name}_p": p[row] for name, p in ranks.items()}
            panel |= {
                "title": titles[len(panels)],
                "galaxy": images.catalogue["galaxy_id"][index],
                "image": images.read([index]).image[0],
                "sky_sigma": images.catalogue["sky_sigma_r"][index],
                "redshift": REDSHIFTS[name],
                "asymmetry": scores.numbers("measured_asymmetry")[row],
                "structure": scores.numbers(STRUCTURE)[row],
            }
            panels.append(panel)
    return panels


@styled
def main() -> None:
    """Observe, score, print, draw and save."""
    data, out = map(Path, sys.argv[1:])
    sets = image_sets(data, out)
    folders = [out / name for name in sets]
    panels = measured(
        sets, score_image_sets(ScoreSettings(images=folders, out=out / "scores", model="sdss-r"))
    )
    for panel in panels:
        numbers = ", ".join(
            f"{name} {panel[name]:.3g}, {panel[name + '_p']}" for name in ("asymmetry", "structure")
        )
        print(f"{panel['title']} ({panel['galaxy']}): {numbers}")
    draw(panels[: 1 + len(SEPARATIONS)]).savefig(
        Path(__file__).with_name("pair.png"), dpi=150, metadata={"Software": None}
    )


if __name__ == "__main__":
    main()
