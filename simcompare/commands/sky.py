"""``simcompare sky``: cut patches of real sky."""

from collections.abc import Iterator

from mocks import SkyBank
from simcompare.settings import SkySettings
from simcompare.synthetic.sky import make_sky_bank

__all__ = ["make_sky_bank", "messages"]


def messages(settings: SkySettings, bank: SkyBank) -> Iterator[str]:
    """Report what was cut."""
    yield f"{len(bank)} patches of {bank.image.shape[-1]} pixels in {settings.out}"
