"""Data sets for training and evaluation: pictures with masks, found in any usual layout, paired, checked and read."""
