"""Replace a clip's background: ``python examples/replace_background.py talk.mp4 beach talk-beach.mp4``.

This runs what ``rtsod run --lite --source talk.mp4 --bg beach --light-wrap --mask-every 2 --output talk-beach.mp4
--no-preview`` runs.
"""

import sys
from pathlib import Path

import rtsod


def main(clip: Path, background: str, output: Path) -> int:
    """Run, and return the exit code: 0, or that of the error or the signal that ended the run."""
    config = rtsod.AppConfig(
        source=rtsod.SourceConfig(str(clip)),
        engine=rtsod.EngineConfig(model="lite"),
        picture=rtsod.PictureConfig(backgrounds=(background,), light_wrap=True),
        output=rtsod.OutputConfig(preview=False, outputs=(output,)),
        run=rtsod.RunConfig(mask_interval=2),  # a mask for every second frame; the subject is tracked in between
    )
    try:
        return rtsod.run(config)
    except rtsod.RtsodError as error:  # whatever was recorded until then is closed and plays
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
