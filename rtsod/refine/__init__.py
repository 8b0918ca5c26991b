"""From the network's map to an alpha at the frame's size. One way per file."""
