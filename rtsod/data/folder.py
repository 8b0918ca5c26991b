"""Pairs the files of a data set's folder, whatever its layout."""

from __future__ import annotations

from pathlib import Path

from rtsod.data.layouts import Layout, find_layout, pictures_in
from rtsod.data.one_folder import pair_in_one_folder
from rtsod.data.pairing import Pairing, name_of, pair_by_name


def pair_folder(root: Path) -> tuple[Layout, Pairing]:
    """Find and pair the pictures and masks below a folder.

    Raises:
        DataError: there are none, or it cannot be told what is what. Files without a counterpart are no error here.
    """
    layout = find_layout(root)
    if layout.images == layout.masks:
        files = {path: name_of(path, layout.images) for path in pictures_in(layout.images, deep=False)}
        return layout, pair_in_one_folder(files)
    images, masks = (
        {path: name_of(path, folder) for path in pictures_in(folder)} for folder in (layout.images, layout.masks)
    )
    return layout, pair_by_name(images, masks)
