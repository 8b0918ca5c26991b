"""The colours of video frames, from any tags to those of BT.709."""
