"""The paper's block beside others (figure 4 of arXiv:2005.09007): what each costs, alone and in the whole network.

A :class:`~rtsod.blocks.kinds.Kind` makes a block of a table's line. The rest measures kinds:
:mod:`~rtsod.blocks.counting` without running them, :mod:`~rtsod.blocks.timing` by running them, and
:mod:`~rtsod.blocks.trained` by training a small network of each.
"""
