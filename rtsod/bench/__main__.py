"""``python -m rtsod.bench``."""

import sys

if __name__ == "__main__":
    try:
        from rtsod.bench.cli import main
    except KeyboardInterrupt:  # an impatient Ctrl-C while Python still imports
        print("rtsod.bench: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    raise SystemExit(main())
