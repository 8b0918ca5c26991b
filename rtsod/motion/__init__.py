"""Masks over time: optical flow, mask propagation, temporal smoothing and the subject lock. Pixels only, no threads.

:class:`~rtsod.motion.propagate.MaskPropagator` brings a mask to a later frame;
:class:`~rtsod.motion.stabilize.MaskStabilizer` removes flicker and everything that is not the subject. Both work on
frames that :func:`~rtsod.motion.flow.downscale_frame` has scaled down to 160 x 120.
"""
