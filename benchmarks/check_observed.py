"""Numbers of the observed files at hand, by `prepare` and without it.

The independent column comes from the survey's own catalogue (photoObj), from other people's measurements
kept in the files (sep), or from astropy, photutils and GalSim on the bytes as they lie there.
"""

from collections.abc import Iterator
from pathlib import Path

import galsim
import h5py
import numpy as np
from astropy.io import fits
from astropy.stats import sigma_clipped_stats
from check_rows import Row
from photutils.aperture import EllipticalAperture
from photutils.profiles import EllipticalCurveOfGrowth

from mocks.observing.psf_images import measure_fwhm
from mocks.survey_files.sdss_psf import read_psfield
from simcompare.images.positions import match_places
from simcompare.images.preparation.prepare import Preparation, preparation_stream, prepare_stamp
from simcompare.images.stamps import FLAGS, PreparedStamp, RawStamp, RejectedStampError
from simcompare.observed import read_stamps

__all__ = ["observed_rows"]

SDSS = 0.396  # arcsec
FIELD = "000094-1-0012"


def galsim_fwhm(psf: np.ndarray) -> float:
    """Diameter of the circle as large as the area above half maximum, interpolated by GalSim [pixels]."""
    psf, fine = np.asarray(psf, float), 15
    image = galsim.InterpolatedImage(galsim.Image(psf.copy(), scale=1), x_interpolant="lanczos5")
    side = fine * len(psf) // 2 * 2 + 1
    drawn = image.drawImage(nx=side, ny=side, scale=1 / fine, method="no_pixel").array
    return float(2 * np.sqrt(np.count_nonzero(drawn > drawn.max() / 2) / np.pi) / fine)


def _prepared(path: Path, bands: str, limit: int, size: int = 64) -> Iterator[tuple[RawStamp, PreparedStamp]]:
    """First usable images of a file."""
    count = 0
    for stamp in read_stamps(path, tuple(bands)):
        try:
            ready = prepare_stamp(stamp, Preparation(size=size), preparation_stream(0, stamp.galaxy_id))
        except RejectedStampError:
            continue
        yield stamp, ready
        count += 1
        if count == limit:
            return


def _aperture_rows(name: str, path: Path, bands: str, limit: int = 40, size: int = 64) -> Iterator[Row]:
    """Magnitudes and radii of prepared images against photutils on the same pixels and ellipses."""
    differences, radii = [], []
    for _, ready in _prepared(path, bands, limit, size):
        row = ready.row
        if row["flags"] & (FLAGS["truncated"] | FLAGS["undetected"]):
            continue  # its aperture is the image's edge
        scale = row["petrosian_radius"] / row["half_light_radius"]
        sharp = 0.396 if "sdss" in name else 0.168
        aperture = 2 * row["petrosian_radius"] / sharp
        where = (row["centre_x"], row["centre_y"])
        shape = EllipticalAperture(where, aperture, aperture * row["axis_ratio"], theta=row["position_angle"])
        for band, image in zip(bands, ready.image, strict=True):
            above = image.astype(float) - row[f"sky_level_{band}"]
            flux = shape.do_photometry(above, method="exact")[0][0]
            if flux > 0:
                differences.append(row[f"mag_{band}"] - (22.5 - 2.5 * np.log10(flux)))
        if len(bands) == 1 and scale > 0:
            steps = np.arange(0.25, aperture + 0.25, 0.25)
            curve = EllipticalCurveOfGrowth(
                above, where, steps, row["axis_ratio"], theta=row["position_angle"], method="exact"
            ).profile
            half = np.interp(0.5 * flux, curve[: curve.argmax() + 1], steps[: curve.argmax() + 1])
            radii.append((row["half_light_radius"] / sharp, half))
    worst = max(differences, key=abs)
    how = "photutils, exact areas, same ellipses"
    yield Row(name, f"largest of {len(differences)} differences in {bands} [mag]", worst, 0, 0.01, how)
    if radii:
        ours, theirs = np.median(np.array(radii), axis=0)
        how = "photutils, curve of growth to the same total"
        yield Row(name, "half-light radius, median [pixels]", ours, theirs, 0.01, how, True)


def _field_rows(folder: Path) -> Iterator[Row]:
    """One SDSS field against SDSS's own catalogue of it."""
    folder = folder / f"sdss-field-{FIELD}"
    with fits.open(folder / f"photoObj-{FIELD}.fits.gz") as file:
        table = file[1].data
        whole = (table["nchild"] == 0) & (table["objc_type"] == 3)
        ra, dec = table["ra"][whole], table["dec"][whole]
        flux, radius = table["petroflux"][whole].astype(float), table["petroth50"][whole, 2].astype(float)
    rows, noise = [], []
    for _, ready in _prepared(folder / f"frame-r-{FIELD}.fits.bz2", "r", 80):
        rows.append(ready.row)
        noise.append(ready.row["sky_sigma_r"])
    places = np.array([(row["ra"], row["dec"]) for row in rows]).T
    index = match_places(*places, ra, dec, 2.0)[0]
    # Isolated ones: SDSS takes blends apart in its own way.
    pairs = [
        (row, i) for row, i in zip(rows, index, strict=True) if i >= 0 and not row["flags"] & FLAGS["blend"]
    ]
    ours = np.array([(row["mag_r"], row["half_light_radius"] * row["axis_ratio"] ** 0.5) for row, _ in pairs])
    theirs = np.array([(22.5 - 2.5 * np.log10(flux[i, 2]), radius[i]) for _, i in pairs])
    name, how = f"sdss-field {FIELD}", f"photoObj, {len(pairs)} galaxies matched"
    middle = np.median(ours - theirs, axis=0)
    yield Row(name, "r, median difference from PETROMAG [mag]", middle[0], 0, 0.05, how)
    ratio = np.median(ours[:, 1] / theirs[:, 1])
    yield Row(
        name,
        "half-light radius over PETROTH50, median",
        ratio,
        1,
        0.05,
        how + "; circles there, ellipses here",
    )
    with fits.open(folder / f"frame-r-{FIELD}.fits.bz2") as file:
        calibration, sky = file[1].data, file[2].data["ALLSKY"][0]
    counts = np.median(sky) / 4.71 + 1.8225  # gain, dark variance of camera column 1, r: 'frame' data model
    yield Row(
        name, "noise in r, median [nanomaggies]",
        np.median(noise), np.median(calibration) * np.sqrt(counts), 0.03,
        "calibration, sky, gain and dark variance of the frame, by astropy", True,
    )  # fmt: skip


def _psfield(path: Path, hdu: int, row: float, column: float) -> np.ndarray:
    """PSF from psField by astropy, as the recipe of the README beside the file says."""
    with fits.open(path) as file:
        table = file[hdu].data
    image = 0.0
    for part in table:
        weights = np.array(part["C"]).reshape(5, 5)[: part["nrow_b"], : part["ncol_b"]]
        powers = np.outer(
            (0.001 * row) ** np.arange(part["nrow_b"]), (0.001 * column) ** np.arange(part["ncol_b"])
        )
        image = image + np.sum(weights * powers) * np.reshape(part["RROWS"], (part["RNROW"], part["RNCOL"]))
    return image / image.sum()


def _psf_rows(folder: Path) -> Iterator[Row]:
    path = folder / f"sdss-field-{FIELD}" / f"psField-{FIELD}.fit.gz"
    stars = dict(zip("ugriz", (1.55, 1.51, 1.38, 1.46, 1.55), strict=True))
    for hdu, band in enumerate("ugriz", 1):
        ours = SDSS * measure_fwhm(read_psfield(path, band, 744.5, 1023.5))
        theirs = SDSS * galsim_fwhm(_psfield(path, hdu, 744.5, 1023.5))
        name = f"psField {FIELD}"
        yield Row(
            name,
            f"FWHM in {band} [arcsec]",
            ours,
            theirs,
            0.02,
            "astropy, KL sum by hand, width by GalSim",
            True,
        )
        how = "Moffat fits to the frame's stars, by who staged it"
        yield Row(name, f"FWHM in {band} [arcsec]", ours, stars[band], 0.04, how, True)
    with h5py.File(folder / "hsc-cosmos-blends" / "hsc-cosmos-blends.h5") as file:
        groups = list(file["objects"].values())
        psf, weight = (
            groups[0]["psf"][()],
            np.concatenate([g["weight"][()].reshape(5, -1) for g in groups], axis=1),
        )
    rows = [
        ready.row for _, ready in _prepared(folder / "hsc-cosmos-blends" / "hsc-cosmos-blends.h5", "gri", 40)
    ]
    for index, band in enumerate("gri"):
        name = "hsc-cosmos-blends"
        width = 0.168 * galsim_fwhm(psf[index])
        ours = np.median([row[f"psf_fwhm_{band}"] for row in rows])
        yield Row(name, f"FWHM in {band} [arcsec]", ours, width, 0.02, "GalSim on the stored PSF", True)
        sigma = np.median(weight[index][weight[index] > 0]) ** -0.5 * 10 ** (-0.4 * (27 - 22.5))
        ours = np.median([row[f"sky_sigma_{band}"] for row in rows])
        how = "median weight, zero point 27; the pixels of coadds are correlated"
        yield Row(name, f"noise in {band}, median [nanomaggies]", ours, sigma, 0.15, how, True)


def _stamp_rows(folder: Path) -> Iterator[Row]:
    """Stamps against what others measured on them with sep."""
    path = folder / "sdss-r-dr7-mixed" / "sdss-r-dr7-mixed.h5"
    with h5py.File(path) as file:
        known = [dict(group.attrs) for group in file["objects"].values()]
    found = []
    for stamp, ready in _prepared(path, "r", 99):
        facts = min(known, key=lambda x: np.hypot(x["ra_deg"] - stamp.ra, x["dec_deg"] - stamp.dec))
        if facts["r90_arcsec"] < 8 and not ready.row["flags"] & FLAGS["truncated"]:
            width = facts["psf_width_arcsec"]
            expected = np.sqrt(facts["sky_dn"] / facts["gain_e_per_dn"] + facts["dark_variance_dn2"])
            found.append(
                (
                    ready.row["mag_r"] - facts["mag_r"],
                    ready.row["half_light_radius"] * ready.row["axis_ratio"] ** 0.5 / facts["r50_arcsec"],
                    ready.row["sky_sigma_r"] / (expected * facts["nmgy_per_dn"]),
                    ready.row["psf_fwhm_r"] / width,
                )
            )
    magnitude, size, noise, width = np.nanmedian(np.array(found), axis=0)
    name, how = "sdss-r-dr7-mixed", f"by who staged it, {len(found)} galaxies: "
    yield Row(name, "r, median difference [mag]", magnitude, 0, 0.05, how + "sep, Kron-like")
    yield Row(name, "half-light radius, median ratio", size, 1, 0.1, how + "sep, circles")
    yield Row(name, "noise, median ratio", noise, 1, 0.05, "sky, gain and dark variance of the DR7 header")
    known = []
    for file in sorted((folder / "sdss-frames").glob("psField-*.fit.gz")):
        with fits.open(file) as field:
            known.append(
                SDSS * galsim_fwhm(_psfield(file, 3, 744.5, 1023.5)) / field[6].data["psf_width"][0][2]
            )
    how = "five psField files of the survey, astropy and GalSim"
    yield Row(name, "FWHM over the header's psf_width, median", width, np.median(known), 0.05, how, True)
    path = folder / "sdss-ugriz-stamps-2" / "sdss-ugriz-stamps-2.h5"
    with h5py.File(path) as file:
        place = np.stack([file["ra_deg"][()], file["dec_deg"][()]])
        theirs = file["sdss_petro_mag"][()].astype(float)
    rows = [ready.row for _, ready in _prepared(path, "gri", 80)]
    index = match_places(*np.array([(row["ra"], row["dec"]) for row in rows]).T, *place, 1.0)[0]
    for column, band in enumerate("gri", 1):
        gap = [
            row[f"mag_{band}"] - theirs[i, column]
            for row, i in zip(rows, index, strict=True)
            if np.isfinite(theirs[i, column]) and not row["flags"] & FLAGS["blend"]
        ]
        how = f"photoObj Petrosian, {len(gap)} galaxies"
        yield Row("sdss-ugriz-stamps-2", f"{band}, median difference [mag]", np.median(gap), 0, 0.05, how)


def _sigma_rows(folder: Path) -> Iterator[Row]:
    """Noise against that of the images' border."""
    path = folder / "sdss-r-with-psf" / "sdss-r-with-psf.h5"
    with h5py.File(path) as file:
        rows = [group["image"][:20] for group in file["spec_hosts"].values()]
    sigma = [sigma_clipped_stats(image, mask=~np.isfinite(image))[2] for image in rows]
    ours = [ready.row["sky_sigma_r"] for _, ready in _prepared(path, "r", 13)]
    how = "clipped scatter of the outermost rows, by astropy"
    yield Row(
        "sdss-r-with-psf", "noise, median [nanomaggies]", np.median(ours), np.median(sigma), 0.03, how, True
    )


def observed_rows(data: Path) -> list[Row]:
    """Compare the observed files.

    Parameters
    ----------
    data : Path
        Folder that holds ``observed``.
    """
    folder = Path(data) / "observed"
    rows = [*_field_rows(folder), *_psf_rows(folder), *_stamp_rows(folder), *_sigma_rows(folder)]
    for name, bands, limit in (
        ("sdss-r-dr7-mixed", "r", 99),
        ("sdss-ugriz-stamps", "gri", 40),
        ("hsc-cosmos-blends", "gri", 60),
    ):
        rows += _aperture_rows(name, folder / name / f"{name}.h5", bands, limit)
    return rows
