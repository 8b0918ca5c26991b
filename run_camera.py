#!/usr/bin/env python3
"""The main job from a checkout: ``python run_camera.py --lite --bg beach.jpg``. Installed, it is ``rtsod run``."""

import sys

from rtsod.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["run", *sys.argv[1:]], program="run_camera.py"))
