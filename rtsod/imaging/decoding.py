"""The one way from a video's packets to the pictures that a player shows."""

from __future__ import annotations

from typing import Final

from av import Codec, CodecContext, VideoFrame
from av.codec.codec import UnknownCodecError
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from rtsod.frames import Picture
from rtsod.imaging.colour.converter import ColourConverter
from rtsod.imaging.geometry import Geometry, Orientation, orientation_of
from rtsod.imaging.media import videos
from rtsod.imaging.transparency import picture_of

_ALPHA_DECODERS: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""WebM keeps alpha beside the picture. FFmpeg's own decoders of these formats pass over it."""


class Converter:
    """Decodes one video and converts its frames, of any pixel format, to the pictures that a player shows.

    It is the only way to a video's pictures, so a file looks the same as a source and as a background. Interlaced
    frames are not deinterlaced.

    Args:
        container: open for demuxing.
        stream: the video of ``container``, nothing decoded yet.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._stream = stream
        self._alpha_decoder = _alpha_decoder(stream)
        self._orientation: Orientation | None = None
        self._geometry = Geometry(container, stream)
        self._colours = ColourConverter()
        self._stream_notes = _other_videos(container, stream)
        self.notes: tuple[str, ...] = ()
        """Lines for the user about the file and the newest picture."""
        self.has_alpha = False
        """Whether the newest picture's format has an alpha."""

    def decode(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        """The frames that a packet of the stream completes.

        Raises:
            av.error.FFmpegError, ValueError: the data is damaged.
        """
        if self._alpha_decoder is None:
            return packet.decode()
        if self._orientation is None:
            # Only the stream's own decoder knows the container's display matrix. One frame is enough to learn it.
            frames = packet.decode() + self._stream.decode(None)
            self._orientation = orientation_of(frames[0]) if frames else Orientation()
        return self._alpha_decoder.decode(packet)

    def picture(self, frame: VideoFrame) -> Picture:
        """Convert one frame: its colours, its alpha, its cropping, its pixel aspect, its display matrix.

        Returns:
            The picture: BT.709, full range, upright, with square pixels.

        Raises:
            av.error.FFmpegError, ValueError: the pixel format cannot be converted.
        """
        self.has_alpha = self._may_be_transparent(frame)
        image, alpha = self._colours.convert(frame, alpha=self.has_alpha)
        colours = () if self._colours.note is None else (self._colours.note,)
        self.notes = (*self._stream_notes, *self._geometry.notes(image), *colours)
        picture = Picture(image) if alpha is None else picture_of(image, alpha)
        return self._geometry.apply(picture, self._orientation or orientation_of(frame))

    def _may_be_transparent(self, frame: VideoFrame) -> bool:
        context = self._stream.codec_context
        if context.name == "rawvideo" and not context.codec_tag.strip("\0"):
            return False  # uncompressed AVI: the fourth byte of a 32-bit pixel has no meaning (BITMAPINFOHEADER)
        return frame.format.has_palette or any(part.is_alpha for part in frame.format.components)


def _alpha_decoder(stream: VideoStream) -> VideoCodecContext | None:
    context = stream.codec_context
    name = _ALPHA_DECODERS.get(context.codec.canonical_name)
    if name is None or {key.lower(): value for key, value in stream.metadata.items()}.get("alpha_mode") != "1":
        return None
    try:
        decoder = CodecContext.create(Codec(name, "r"))
    except UnknownCodecError:  # a build of FFmpeg without libvpx
        return None
    assert isinstance(decoder, VideoCodecContext)
    decoder.options = context.options
    decoder.extradata = context.extradata
    # What the container says of the colours; the bitstream may say more.
    decoder.colorspace, decoder.color_range = context.colorspace, context.color_range
    decoder.color_primaries, decoder.color_trc = context.color_primaries, context.color_trc
    return decoder


def _other_videos(container: InputContainer, stream: VideoStream) -> tuple[str, ...]:
    count = len(videos(container)) - 1
    if count < 1:
        return ()
    others = "one other is" if count == 1 else f"{count} others are"
    return (f"the video of {stream.width}x{stream.height} pixels is used; {others} ignored",)
