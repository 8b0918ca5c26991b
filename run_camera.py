#!/usr/bin/env python3
"""``rtsod run`` from a checkout, without installing: ``python run_camera.py --lite --bg beach.jpg``."""

if __name__ == "__main__":
    try:
        from rtsod.cli.run import main
        from rtsod.system.signals import leave
    except KeyboardInterrupt:  # Ctrl-C while Python is still importing
        raise SystemExit(130) from None
    leave(main(program="run_camera.py"))
