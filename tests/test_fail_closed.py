"""Only the subject's pixels leave the machine: by who may make a picture, and by what it contains."""

import ast
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rtsod
from rtsod.composite.compositor import Compositor
from rtsod.errors import MaskError
from rtsod.frames import Alpha, Composited, Frame, Image, Mask, MaskedFrame, PropagatedFrame, mark_safe
from rtsod.interfaces import Backdrop, Blur, PassThrough, Transparent
from tests.support.fakes import Card

PACKAGE = Path(rtsod.__file__).parent
SEALED = {"mark_safe", "_seal", "_SEAL", "Composited"}


def makers(source: str) -> list[str]:
    """Everything in a module that could make a ``Composited``: any use of the seal, any call of the class."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name) if name in SEALED - {"Composited"}:
                found.append(name)
            case ast.Constant(value=str(name)) if name in SEALED:  # getattr(types, "mark_safe")
                found.append(name)
            case ast.keyword(arg="_seal"):
                found.append("_seal")
            case ast.Call(func=ast.Name(id="Composited") | ast.Attribute(attr="Composited")):
                found.append("Composited(...)")
            case ast.ClassDef(bases=bases) if any("Composited" in ast.unparse(base) for base in bases):
                found.append("class (Composited)")
            case ast.Attribute(value=ast.Name(id="Composited") | ast.Attribute(attr="Composited"), attr=name):
                found.append(f"Composited.{name}")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "from rtsod.frames import mark_safe",
        "from rtsod.frames import mark_safe as harmless",
        "import rtsod.frames as t\nt.mark_safe(image=x)",
        "import rtsod.frames as t\ngetattr(t, 'mark_safe')",
        "from rtsod.frames import _SEAL",
        "Composited(image=x)",
        "frames.Composited(image=x)",
        "Composited.__new__(Composited)",
        "class Mine(Composited): ...",
    ],
)
def test_the_source_reader_sees_every_way_to_make_a_picture(source: str) -> None:
    assert makers(source)


def test_only_the_compositor_makes_pictures_that_may_leave() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE) not in (Path("frames.py"), Path("composite/compositor.py")):
            assert not makers(path.read_text(encoding="utf-8")), path


BOUND_FIELDS = {"frame", "alpha", "origin", "mask", "target_index", "target_captured_at", None}
"""Fields that bind a mask to its frame; None stands for ``**fields``."""


def propagators(source: str) -> list[str]:
    """Everything in a module that could make a ``PropagatedFrame``, or lay a mask over another frame."""
    tree = ast.parse(source)
    # A frozen record may bring a field of its own, which binds nothing, into range.
    harmless = {
        id(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and len(node.args) == 3
        and isinstance(node.args[0], ast.Name) and node.args[0].id == "self"
        and isinstance(node.args[1], ast.Constant) and node.args[1].value not in BOUND_FIELDS
    }  # fmt: skip
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="PropagatedFrame") | ast.Attribute(attr="PropagatedFrame")):
                found.append("PropagatedFrame(...)")
            case ast.Call(
                func=ast.Name(id="replace" | "__replace__") | ast.Attribute(attr="replace" | "__replace__"),
                keywords=keywords,
            ) if any(keyword.arg in BOUND_FIELDS for keyword in keywords):
                found.append("replace(...)")
            case ast.alias(name="replace", asname=str(name)):
                found.append(f"replace as {name}")
            case ast.Attribute(attr="__setattr__" | "__setstate__" | "__replace__" as name) if id(node) not in harmless:
                found.append(name)
            case ast.Call(func=ast.Attribute(attr="__class__") | ast.Call(func=ast.Name(id="type"))):
                found.append("type(x)(...)")
            case ast.Constant(value="PropagatedFrame"):  # getattr(frames, "PropagatedFrame")
                found.append("'PropagatedFrame'")
            case ast.ClassDef(bases=bases) if any("PropagatedFrame" in ast.unparse(base) for base in bases):
                found.append("class (PropagatedFrame)")
            case ast.Assign(value=ast.Name(id="PropagatedFrame") | ast.Attribute(attr="PropagatedFrame")):
                found.append("= PropagatedFrame")
            case ast.alias(name="PropagatedFrame", asname=str(name)):
                found.append(f"as {name}")
            case ast.Attribute(value=ast.Name(id="PropagatedFrame") | ast.Attribute(attr="PropagatedFrame"), attr=name):
                found.append(f"PropagatedFrame.{name}")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "PropagatedFrame(f, a, m)",
        "frames.PropagatedFrame(f, a, m)",
        "from rtsod.frames import PropagatedFrame as C",
        "PropagatedFrame.__new__(PropagatedFrame)",
        "Make = PropagatedFrame",
        "getattr(frames, 'PropagatedFrame')(f, a, m)",
        "class Mine(PropagatedFrame): ...",
        "type(propagated)(f, a, m)",
        "propagated.__class__(f, a, m)",
        "dataclasses.replace(propagated, alpha=a)",
        "dataclasses.replace(propagated, frame=other)",
        "replace(propagated, frame=other, target_index=other.index, target_captured_at=other.captured_at)",
        "replace(propagated, origin=mask)",
        "replace(propagated, **fields)",
        "replace(masked, frame=other, mask=mask)",
        "from dataclasses import replace as change",
        "copy.replace(propagated, frame=other)",
        "propagated.__replace__(frame=other)",
        "object.__setattr__(propagated, 'frame', other)",
        "object.__setattr__(self, 'frame', other)",
        "object.__setattr__(self, name, other)",
        "set_it = object.__setattr__",
        "propagated.__setstate__(state)",
    ],
)
def test_the_source_reader_sees_every_way_to_lay_a_mask_over_another_frame(source: str) -> None:
    assert propagators(source)


def test_only_the_motion_package_brings_a_mask_to_another_frame() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE) != Path("motion/propagate.py"):
            assert not propagators(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(("index", "captured_at"), [(4, 2.0), (5, 9.0)])
def test_a_propagated_mask_is_bound_to_its_target_frame(index: int, captured_at: float) -> None:
    alpha = np.ones((8, 8), np.float32)
    target = Frame(np.zeros((8, 8, 3), np.uint8), index=5, captured_at=2.0)
    propagated = PropagatedFrame(target, alpha, Mask(alpha, 3, 1.0), 5, 2.0)
    other = Frame(target.image, index, captured_at)
    with pytest.raises(MaskError, match=f"propagated to frame 5 offered for frame {index}"):
        replace(propagated, frame=other)


def test_the_class_itself_refuses_other_callers() -> None:
    image = np.zeros((2, 2, 3), np.uint8)

    def levels() -> Image:
        return np.zeros((2, 2), np.uint8)

    fields = {"image": image, "levels": levels, "index": 0, "captured_at": 0.0}
    with pytest.raises(TypeError, match="only the compositor"):
        Composited(
            **fields,  # type: ignore[arg-type]
            pts=None,
            name=None,
            duration=None,
            is_last=False,
            is_slate=False,
            opacity=None,
        )
    assert isinstance(mark_safe(image=image, levels=levels, index=0, captured_at=0.0), Composited)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Image, Alpha, Alpha]:
    """A picture, a mask with regions that are exactly 0, and that mask at the picture's size."""
    width, height = draw(st.integers(16, 150)), draw(st.integers(16, 150))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.integers(4, 40))
    mask = np.clip(random.random((size, size), np.float32) * 2 - draw(st.floats(0.1, 1.9)), 0, 1).astype(np.float32)
    mask[random.random((size, size)) < draw(st.floats(0, 1))] = 0
    picture = random.integers(0, 256, (height, width, 3), np.uint8)
    return picture, mask, np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def composed(backdrop: Backdrop, picture: Image, mask: Alpha, *, mirror: bool) -> Composited:
    frame = Frame(picture, index=3, captured_at=2.0)
    return Compositor(backdrop, mirror=mirror).compose(MaskedFrame(frame, Mask(mask, 3, 2.0)), at=1.0)


@settings(max_examples=150)
@given(scenes(), st.booleans(), st.tuples(*[st.integers(0, 255)] * 3))
def test_pixels_outside_the_mask_make_no_difference(
    scene: tuple[Image, Alpha, Alpha], mirror: bool, watermark: tuple[int, int, int]
) -> None:
    """Two cameras that see the same subject before different rooms give the same output, bit for bit."""
    picture, mask, alpha = scene
    marked = picture.copy()
    marked[alpha == 0] = watermark
    card = Card(np.full_like(picture, 77))
    for backdrop in (card, Transparent()):
        one, other = (composed(backdrop, image, mask, mirror=mirror) for image in (picture, marked))
        assert (one.image == other.image).all()
        assert (one.alpha8 == other.alpha8).all()
        hidden = one.alpha8 == 0
        assert (one.image[hidden] == (77 if backdrop is card else 0)).all()


@settings(max_examples=60)
@given(scenes(), st.booleans())
def test_a_slate_contains_nothing_of_the_frame(scene: tuple[Image, Alpha, Alpha], mirror: bool) -> None:
    picture = scene[0]
    height, width = picture.shape[:2]
    for backdrop in (Card(np.full_like(picture, 77)), Blur(), Transparent(), PassThrough()):
        compositor = Compositor(backdrop, mirror=mirror)
        frames = [Frame(image, index=3, captured_at=2.0) for image in (picture, 255 - picture)]
        one, other = (compositor.slate(width, height, 1.0, frame=frame, now=9.0) for frame in frames)
        assert one.is_slate
        assert (one.image == other.image).all()
        assert (one.image == one.image[0, 0]).all()
        assert (one.alpha8 == 0).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -0.001, 1.001])
def test_an_invalid_map_is_refused(value: float) -> None:
    alpha = np.full((32, 32), 0.5, np.float32)
    alpha[17, 5] = value
    with pytest.raises(MaskError):
        Mask(alpha, 0, 0.0)


@pytest.mark.parametrize("alpha", [np.zeros((4, 4, 1), np.float32), np.zeros((4, 4)), np.zeros((0, 4), np.float32)])
def test_a_map_of_another_type_is_refused(alpha: Alpha) -> None:
    with pytest.raises(MaskError, match="not float32"):
        Mask(alpha, 0, 0.0)


@pytest.mark.parametrize(("index", "captured_at"), [(4, 2.0), (3, 2.5)])
def test_another_frames_mask_is_refused(index: int, captured_at: float) -> None:
    frame = Frame(np.zeros((16, 16, 3), np.uint8), index=3, captured_at=2.0)
    with pytest.raises(MaskError, match="offered for frame 3"):
        MaskedFrame(frame, Mask(np.ones((8, 8), np.float32), index, captured_at))
