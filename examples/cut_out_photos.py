"""Cut the subject out of each photograph of a folder: ``python examples/cut_out_photos.py photos/ cutouts/``.

``rtsod batch photos/ --out cutouts/ --bg transparent`` does this on all cores, and goes on where it ended. Use this
form to work with the masks yourself.
"""

import sys
from pathlib import Path

import rtsod


def main(photos: Path, cutouts: Path) -> int:
    """Write a PNG for each photograph, and return how many could not be read."""
    paths = sorted(path for path in photos.iterdir() if path.is_file())
    cutouts.mkdir(parents=True, exist_ok=True)
    failures = 0
    with rtsod.Segmenter.open(model="lite") as segmenter, segmenter.batch(paths) as alphas:
        for path in paths:
            try:
                alpha = next(alphas)  # (H, W) float32 in [0, 1]; the next ones are being read meanwhile
            except rtsod.SourceError as error:  # this one cannot be read; the next call is about the next one
                print(error, file=sys.stderr)
                failures += 1
                continue
            rtsod.cutout_from_alpha(path, alpha).save(cutouts / f"{path.name}.png")
            print(f"{path.name}: the subject covers {alpha.mean():.0%} of the picture")
    return failures


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(min(main(Path(sys.argv[1]), Path(sys.argv[2])), 1))
