"""The archives: every address in one table, with release and base address to choose."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from simcompare.archives.queries import hsc_bulk_list, sdss_galaxy_query, tng_subhalo_query
from simcompare.archives.transfer import FORM_BOUNDARY, Item, Transfer, basic_authorization
from simcompare.runs.names import file_names

__all__ = [
    "ARCHIVES",
    "Archive",
    "archive_url",
    "credentials",
    "fetch_items",
    "hsc_bulk_list",
    "sdss_galaxy_query",
    "tng_subhalo_query",
    "transfer_for",
]


@dataclass(frozen=True)
class Archive:
    """One kind of file of one archive.

    Parameters
    ----------
    base : str
        Address of the server; another one for a mirror.
    template : str
        Path and query after the base, with fields in braces.
    file : str
        Name for the file, with the same fields.
    content : str
        As in `Item`.
    estimate : int
        Bytes of a file.
    defaults : mapping
        Values of fields that need not be given, ``release`` among them.
    account : str
        Empty, or which credential the server wants: ``hsc`` or ``tng``.
    rate : float
        Requests a second that it bears.
    sizes : mapping of str to int
        Bytes of a file of the simulations whose files are of another size.
    galaxies : int
        Galaxies in a file, about.
    """

    base: str
    template: str
    file: str
    content: str = "fits"
    estimate: int = 1_000_000
    defaults: Mapping[str, object] = field(default_factory=dict)
    account: str = ""
    rate: float = 4.0
    sizes: Mapping[str, int] = field(default_factory=dict)
    galaxies: int = 1


_SDSS = "https://data.sdss.org/sas"
_SKYSERVER = "https://skyserver.sdss.org"
_HSC = "https://hsc-release.mtk.nao.ac.jp"
_LEGACY = "https://www.legacysurvey.org"
_TNG = "https://www.tng-project.org/api"
_CAMELS = "https://users.flatironinstitute.org/~camels"
_EAGLE = "http://virgodb.cosma.dur.ac.uk/eagle-webstorage"

ARCHIVES: dict[str, Archive] = {
    "sdss-frame": Archive(
        _SDSS,
        "/{release}/eboss/photoObj/frames/{rerun}/{run}/{camcol}/frame-{band}-{run:06d}-{camcol}-{field:04d}.fits.bz2",
        "frame-{band}-{run:06d}-{camcol}-{field:04d}.fits.bz2",
        "bz2",
        3_300_000,
        {"release": "dr17", "rerun": 301},
    ),
    "sdss-psfield": Archive(
        _SDSS,
        "/{release}/eboss/photo/redux/{rerun}/{run}/objcs/{camcol}/psField-{run:06d}-{camcol}-{field:04d}.fit",
        "psField-{run:06d}-{camcol}-{field:04d}.fit",
        "fits",
        600_000,
        {"release": "dr17", "rerun": 301},
    ),
    "sdss-catalogue": Archive(
        _SKYSERVER,
        "/{release}/SkyServerWS/SearchTools/SqlSearch?{query}",
        "{name}.csv",
        "text",
        10_000_000,
        {"release": "dr17", "name": "galaxies"},
        rate=1.0,
    ),
    "skyserver-jpeg": Archive(
        _SKYSERVER,
        "/{release}/SkyServerWS/ImgCutout/getjpeg?{query}",
        "{name}.jpg",
        "jpeg",
        5_000,
        {"release": "dr17", "scale": 0.396, "width": 64, "height": 64},
    ),
    "hsc-cutout": Archive(
        _HSC,
        "/das_cutout/{release}/cgi-bin/cutout?{query}",
        "{name}-{band}.fits",
        "fits",
        500_000,
        {"release": "pdr3", "rerun": "pdr3_wide", "half_width": "15arcsec", "type": "coadd"},
        "hsc",
        2.0,
    ),
    "hsc-cutout-bulk": Archive(
        _HSC,
        "/das_cutout/{release}/cgi-bin/cutout",
        "{name}.tar",
        "tar",
        200_000_000,
        {"release": "pdr3"},
        "hsc",
        0.2,
    ),
    "hsc-psf-bulk": Archive(
        _HSC,
        "/psf/{release}/cgi/getpsf?bulk=on",
        "{name}-psf.tar",
        "tar",
        10_000_000,
        {"release": "pdr3"},
        "hsc",
        0.2,
    ),
    "hsc-psf": Archive(
        _HSC,
        "/psf/{release}/cgi/getpsf?{query}",
        "{name}-{band}-psf.fits",
        "fits",
        20_000,
        {"release": "pdr3", "rerun": "pdr3_wide", "type": "coadd"},
        "hsc",
        2.0,
    ),
    "legacy-fits": Archive(
        _LEGACY,
        "/viewer/fits-cutout?{query}",
        "{name}.fits",
        "fits",
        800_000,
        {"layer": "ls-dr10", "pixscale": 0.262, "bands": "grz", "size": 256},
        rate=2.0,
    ),
    "legacy-psf": Archive(
        _LEGACY,
        "/viewer/coadd-psf/?{query}",
        "{name}-psf.fits",
        "fits",
        60_000,
        {"layer": "ls-dr10", "bands": "grz"},
        rate=2.0,
    ),
    "tng-subhalos": Archive(
        _TNG,
        "/{simulation}/snapshots/{snapshot}/subhalos/?{query}",
        "{simulation}-{snapshot:03d}.json",
        "json",
        2_000_000,
        {"log_stellar_mass": 9.5, "limit": 100_000},
        "tng",
        2.0,
    ),
    "tng-cutout": Archive(
        _TNG,
        "/{simulation}/snapshots/{snapshot}/subhalos/{subhalo}/cutout.hdf5?{query}",
        "{simulation}-{snapshot:03d}-{subhalo}.hdf5",
        "hdf5",
        20_000_000,
        {"fields": "Coordinates,Masses,GFM_InitialMass,GFM_StellarFormationTime,GFM_Metallicity,Velocities"},
        "tng",
        2.0,
        # 60 bytes a star, 2e10 Msun, the mean of galaxies above 10^9.5 Msun
        {"TNG50-1": 14_000_000, "TNG100-1": 900_000, "Illustris-1": 900_000},
    ),
    "tng-groups": Archive(
        _TNG,
        "/{simulation}/files/groupcat-{snapshot}.{part}.hdf5",
        "groups_{snapshot:03d}/fof_subhalo_tab_{snapshot:03d}.{part}.hdf5",
        "hdf5",
        30_000_000,
        {"part": 0},
        "tng",
        2.0,
    ),
    "tng-image": Archive(
        _TNG,
        "/{simulation}/snapshots/{snapshot}/subhalos/{subhalo}/skirt/broadband_{instrument}.fits",
        "broadband_{instrument}-{simulation}-{snapshot:03d}-{subhalo}.fits",
        "fits",
        5_000_000,
        {"instrument": "sdss"},
        "tng",
        2.0,
    ),
    "illustris-image": Archive(
        _TNG,
        "/{simulation}/snapshots/{snapshot}/subhalos/{subhalo}/stellar_mocks/broadband.fits",
        "broadband-{simulation}-{snapshot:03d}-{subhalo}.fits",
        "fits",
        10_000_000,
        {},
        "tng",
        2.0,
    ),
    "camels-snapshot": Archive(
        _CAMELS,
        "/Sims/{suite}/{box}/{set}/{set}_{number}/snapshot_{snapshot:03d}.hdf5",
        "{suite}-{set}_{number}/snapshot_{snapshot:03d}.hdf5",
        "hdf5",
        2_500_000_000,
        {"suite": "IllustrisTNG", "box": "L25n256", "set": "CV"},
        galaxies=500,
    ),
    "camels-groups": Archive(
        _CAMELS,
        "/Sims/{suite}/{box}/{set}/{set}_{number}/groups_{snapshot:03d}.hdf5",
        "{suite}-{set}_{number}/groups_{snapshot:03d}.hdf5",
        "hdf5",
        25_000_000,
        {"suite": "IllustrisTNG", "box": "L25n256", "set": "CV"},
        galaxies=0,
    ),
    "eagle-image": Archive(
        _EAGLE,
        "/{simulation}_Subhalo/gal{view}_{galaxy_id}.png",
        "{simulation}-{galaxy_id}-{view}.png",
        "png",
        100_000,
        {"simulation": "RefL0100N1504", "view": "face"},
        rate=2.0,
    ),
}

# What goes into the query of an address, as the server's key and our field.
_QUERIES: dict[str, Callable[[Mapping], dict]] = {
    "sdss-catalogue": lambda f: {"cmd": f["sql"], "format": "csv"},
    "skyserver-jpeg": lambda f: {key: f[key] for key in ("ra", "dec", "scale", "width", "height")},
    "hsc-cutout": lambda f: {
        "ra": f["ra"], "dec": f["dec"], "sw": f["half_width"], "sh": f["half_width"], "type": f["type"],
        "image": "on", "mask": "on", "variance": "on", "filter": f"HSC-{str(f['band']).upper()}",
        "rerun": f["rerun"],
    },
    "hsc-psf": lambda f: {
        "ra": f["ra"], "dec": f["dec"], "filter": f["band"], "rerun": f["rerun"], "centered": "on",
        "type": f["type"],
    },
    "legacy-fits": lambda f: {key: f[key] for key in ("ra", "dec", "layer", "pixscale", "bands", "size")},
    "legacy-psf": lambda f: {key: f[key] for key in ("ra", "dec", "layer", "bands")},
    "tng-subhalos": lambda f: tng_subhalo_query(f["simulation"], f["log_stellar_mass"], f["limit"]),
    "tng-cutout": lambda f: {"stars": f["fields"]},
}  # fmt: skip

# Environment variables of each credential; the first pair or name that is set is taken.
_ACCOUNTS = {
    "hsc": (("SSP_PDR_USR", "SSP_PDR_PWD"), ("HSC_SSP_CAS_USERNAME", "HSC_SSP_CAS_PASSWORD")),
    "tng": (("TNG_API_KEY",),),
}


def archive_url(name: str, /, *, base: str | None = None, **fields) -> str:
    """Address of one file.

    Parameters
    ----------
    name : str
        One of `ARCHIVES`.
    base : str, optional
        Of a mirror or a local server.
    **fields
        What the archive's template asks for; ``release`` and others have defaults.

    Raises
    ------
    ValueError
        For an unknown archive or a missing field.
    """
    archive = _archive(name)
    return (base or archive.base).rstrip("/") + _fill(name, archive.template, fields)


def _archive(name: str) -> Archive:
    """Entry of the table."""
    if name not in ARCHIVES:
        raise ValueError(f"archive {name!r} is unknown; choose from {', '.join(ARCHIVES)}.")
    return ARCHIVES[name]


def _fill(name: str, template: str, fields: Mapping) -> str:
    """Template with its fields."""
    values = {**ARCHIVES[name].defaults, **fields}
    try:
        if name in _QUERIES:
            values["query"] = urlencode(_QUERIES[name](values))
        return template.format(**values)
    except KeyError as error:
        raise ValueError(
            f"archive {name!r} needs {error.args[0]!r}; given are {', '.join(fields) or 'none'}."
        ) from None


def fetch_items(name: str, targets: Iterable[Mapping], base: str | None = None) -> list[Item]:
    """Files of an archive for a list of targets.

    Parameters
    ----------
    name : str
        One of `ARCHIVES`.
    targets : iterable of mapping
        The fields of each file, and its ``bytes`` and ``sha256`` where they are known. For the bulk services
        of HSC the field ``list`` is what is sent.
    base : str, optional
        Of a mirror or a local server.
    """
    archive = _archive(name)
    items = []
    for fields in targets:
        body = _form(str(fields["list"])) if "list" in fields else None
        path = _fill(name, archive.file, {key: _as_file_name(value) for key, value in fields.items()})
        items.append(
            Item(
                archive_url(name, base=base, **fields),
                path,
                archive.content,
                size=int(fields["bytes"]) if "bytes" in fields else None,
                sha256=str(fields["sha256"]) if "sha256" in fields else None,
                estimate=archive.sizes.get(str(fields.get("simulation")), archive.estimate),
                body=body,
            )
        )
    return items


def _as_file_name(value: object) -> object:
    """Text of a field as it can stand in a path."""
    return file_names([value])[value] if isinstance(value, str) else value


def _form(text: str) -> bytes:
    """Web form with one file, ``list``, as the bulk services of HSC want it sent."""
    head = f'--{FORM_BOUNDARY}\r\nContent-Disposition: form-data; name="list"; filename="list.txt"\r\n\r\n'
    return f"{head}{text}\r\n--{FORM_BOUNDARY}--\r\n".encode()


def transfer_for(name: str, transfer: Transfer | None = None) -> Transfer:
    """Politeness and credentials that an archive asks for."""
    archive = _archive(name)
    chosen = transfer or Transfer(rate=archive.rate)
    return replace(chosen, headers=lambda: credentials(archive.account)) if archive.account else chosen


def credentials(account: str) -> dict[str, str]:
    """Headers of an account whose secret stands in the environment; nothing of it is kept.

    Raises
    ------
    ValueError
        When no environment variable holds it.
    """
    for names in _ACCOUNTS[account]:
        values = [os.environ.get(variable, "") for variable in names]
        if all(values):
            return basic_authorization(*values) if len(values) == 2 else {"API-Key": values[0]}
    known = " or ".join(" and ".join(names) for names in _ACCOUNTS[account])
    raise ValueError(f"the {account.upper()} archive requires an account; set {known} in the environment.")
