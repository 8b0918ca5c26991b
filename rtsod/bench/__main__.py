"""``python -m rtsod.bench``."""

import sys

if __name__ == "__main__":
    try:
        from rtsod.bench.cli import main
    except KeyboardInterrupt:  # Ctrl-C while Python is still importing
        print("rtsod bench: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    raise SystemExit(main())
