"""Write one mask per photograph: ``python examples/photos_to_masks.py photos/ masks/``.

Each PNG has the name and the size of its photograph. The masks are the authors' own: float32, unrefined.
"""

import sys
from pathlib import Path

import rtsod


def main(photos: Path, masks: Path, statistics: Path | None = None) -> int:
    """Run, and return the exit code, of an error too; with ``statistics``, also write the run's numbers as JSON."""
    config = rtsod.AppConfig(
        source=rtsod.SourceConfig(str(photos)),
        engine=rtsod.EngineConfig(model="lite", precision="fp32"),
        output=rtsod.OutputConfig(preview=False, mask_outputs=(masks,)),
        run=rtsod.RunConfig(stats=statistics),
    )
    try:
        return rtsod.run(config)
    except rtsod.RtsodError as error:  # whatever was recorded until then is closed and plays
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    sys.exit(main(*map(Path, sys.argv[1:])))
