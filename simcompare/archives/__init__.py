"""Clients of public archives: what to ask for, where it is, and getting it politely and whole."""

from simcompare.archives.services import ARCHIVES, Archive, archive_url, fetch_items
from simcompare.archives.transfer import FetchError, Item, Report, Transfer, fetch

__all__ = [
    "ARCHIVES",
    "Archive",
    "FetchError",
    "Item",
    "Report",
    "Transfer",
    "archive_url",
    "fetch",
    "fetch_items",
]
