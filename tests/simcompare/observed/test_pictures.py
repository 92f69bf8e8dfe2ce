"""Pictures that would fill the memory, or have another program called, are left out with the reason."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from simcompare.observed.pictures import MOST_PIXELS, read_picture_folder

RGB = ("R", "G", "B")


def png(width, height):
    """PNG of a few hundred bytes that claims any size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def eps():
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "EPS")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (png(4097, 4096), f"picture of 4097 x 4096 pixels; at most {MOST_PIXELS} are read"),
        (png(12_000, 12_000), f"picture of 12000 x 12000 pixels; at most {MOST_PIXELS} are read"),
        (png(60_000, 60_000), f"picture of more than the {MOST_PIXELS} pixels that are read"),
        (png(2**31 - 1, 2**31 - 1), "pictur"),
        (eps(), "corrupted picture"),  # which would be drawn by Ghostscript
        (b"", "corrupted picture"),
    ],
)
def test_bombs_are_not_decoded(tmp_path, content, problem):
    Image.fromarray(np.full((8, 8, 3), 7, np.uint8)).save(tmp_path / "good.png")
    (tmp_path / "bomb.png").write_bytes(content)
    bomb, good = read_picture_folder(tmp_path, RGB)
    assert problem in bomb.problem
    assert bomb.image.size == 3
    assert good.problem == ""
    assert (good.image == 7).all()


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_pictures_have_no_colours(tmp_path, mode):
    Image.new(mode, (70, 70)).save(tmp_path / "grey.png")
    (stamp,) = read_picture_folder(tmp_path, RGB)
    assert stamp.problem.startswith("grey picture; its red, green and blue would be one band three times")
