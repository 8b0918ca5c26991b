"""Reads photographs of every format, upright, in sRGB, with their alpha. Import its modules late: most load Pillow."""
