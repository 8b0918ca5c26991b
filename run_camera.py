#!/usr/bin/env python3
"""The main job from a checkout: ``python run_camera.py --lite --bg beach.jpg``. Installed, it is ``rtsod run``."""

import sys

if __name__ == "__main__":
    try:
        from rtsod.cli.main import main
        from rtsod.system.signals import leave
    except KeyboardInterrupt:  # an impatient Ctrl-C while Python still imports
        raise SystemExit(130) from None
    leave(main(["run", *sys.argv[1:]], program="run_camera.py"))
