"""What weights say of themselves survives a file, and what a file says is not believed before it is checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from rtsod.errors import OutputError, UsageError, WeightsError
from rtsod.model.checkpoints import load_network
from rtsod.model.description import (
    KEY,
    MAX_CHARACTERS,
    PUBLISHED_DESCRIPTIONS,
    Description,
    describe,
    name_from,
    save_weights,
    table_from_toml,
)
from rtsod.model.table import FULL, LITE, STAGES, Block
from rtsod.model.u2net import U2Net, fold_batch_norm
from rtsod.training.network import load_weights
from tests.support.architecture import PACKAGE
from tests.support.networks import TINY, tiny_network

SMALL = PACKAGE / "assets" / "tables" / "small.toml"


@st.composite
def tables(draw: st.DrawFn) -> tuple[Block, ...]:
    """Tables that make a network: anything that chains, with heights that fit."""
    outs = draw(st.lists(st.integers(1, 1024), min_size=11, max_size=11))
    inputs = [3, *outs[:5], *(outs[below] + outs[10 - below - 1] for below in range(5, 10))]
    blocks = []
    for number, (stage, channels, out) in enumerate(zip(STAGES, inputs, outs, strict=True)):
        assert STAGES[number] == stage
        height = draw(st.integers(2, 8 - int(stage[-1])) | st.none())
        blocks.append(Block(height or 4, channels, draw(st.integers(1, 1024)), out, dilated=height is None))
    return tuple(blocks)


@given(
    tables(),
    st.tuples(*[st.floats(0, 1)] * 3),
    st.tuples(*[st.floats(0.001, 1)] * 3),
    st.sampled_from(["stretch", "pad", "crop"]),
    st.integers(2, 32),
)
def test_a_description_survives_its_metadata(table, mean, deviation, fit, steps) -> None:  # type: ignore[no-untyped-def]
    description = Description("mine-1.2", table, mean, deviation, fit, 32 * steps)
    assert Description.from_metadata(description.to_metadata() | {"format": "pt"}) == description


def test_a_description_survives_its_file(tmp_path: Path) -> None:
    path, network = tmp_path / "tiny.safetensors", tiny_network()
    save_weights(path, network, TINY)
    assert describe(path) == TINY
    stored = safetensors.torch.load_file(path)
    assert stored.keys() == network.state_dict().keys()
    assert all(torch.equal(stored[key], value) for key, value in network.state_dict().items())
    again = tmp_path / "again.safetensors"
    save_weights(again, network, TINY)
    assert again.read_bytes() == path.read_bytes()


def test_folded_weights_are_stored_too(tmp_path: Path) -> None:
    path, network = tmp_path / "tiny.safetensors", tiny_network()
    fold_batch_norm(network)
    save_weights(path, network, TINY)
    assert not any("bn_s1" in key for key in safetensors.torch.load_file(path))


def test_weights_of_another_table_are_not_described(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="table"):
        save_weights(tmp_path / "x.safetensors", tiny_network(), replace(TINY, table=LITE))
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_leaves_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tiny.safetensors"
    path.write_bytes(b"older")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="disk full"):
        save_weights(path, tiny_network(), TINY)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"older"


def test_files_that_say_nothing_have_no_description(tmp_path: Path) -> None:
    path = tmp_path / "plain.safetensors"
    safetensors.torch.save_file(tiny_network().state_dict(), path)
    assert describe(path) is None
    checkpoint = tmp_path / "plain.pth"
    torch.save(tiny_network().state_dict(), checkpoint)
    assert describe(checkpoint) is None


def _damaged(**changes: object) -> str:
    content = json.loads(TINY.to_metadata()[KEY])
    for key, value in changes.items():
        if value is None:
            del content[key]
        else:
            content[key] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "."),
        ("[]", "is none"),
        ("[" * 50_000, "nested"),
        (" " * (MAX_CHARACTERS + 1), "too long"),
        (_damaged(version=2), "version 2"),
        (_damaged(version=True), "is none"),
        (_damaged(name=None), "name"),
        (_damaged(name="../../mine"), "name"),
        (_damaged(name="a" * 65), "name"),
        (_damaged(name="lite"), "taken"),
        (_damaged(mean=[0.5, 0.5]), "three"),
        (_damaged(mean=["a", 0.5, 0.5]), "three"),
        (_damaged(mean=[float("nan"), 0.5, 0.5]), "three"),
        (_damaged(mean=[0.5, 0.5, 120.0]), "mean"),
        (_damaged(deviation=[0, 0, 0]), "deviation"),
        (_damaged(fit="squeeze"), "fit squeeze"),
        (_damaged(size=10_000_000), "size"),
        (_damaged(size=100), "size 100"),
        (_damaged(size=64.0), "size"),
        (_damaged(table={}), "En_1"),
        (_damaged(table=[]), "table"),
    ],
)
def test_a_damaged_description_is_one_line(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "mine.safetensors"
    safetensors.torch.save_file({"x": torch.zeros(1)}, path, {KEY: text})
    with pytest.raises(WeightsError, match=reason) as caught:
        describe(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(WeightsError, match="not a safetensors file"):
        describe(path)
    with pytest.raises(WeightsError, match="cannot be read"):
        describe(tmp_path / "absent.safetensors")


def test_the_authors_descriptions_are_their_models() -> None:
    assert {name: each.table for name, each in PUBLISHED_DESCRIPTIONS.items()} == {"full": FULL, "lite": LITE}
    assert {each.size for each in PUBLISHED_DESCRIPTIONS.values()} == {320}


def test_half_precision_takes_half_the_room_and_is_read_as_float32(tmp_path: Path) -> None:
    whole, half, network = tmp_path / "whole.safetensors", tmp_path / "half.safetensors", tiny_network()
    save_weights(whole, network, TINY)
    save_weights(half, network, TINY, half=True)
    assert half.stat().st_size < 0.75 * whole.stat().st_size  # beside the kernels there are names and batch norms
    one, other = (load_network(path, TINY).state_dict() for path in (whole, half))
    assert {value.dtype for value in other.values()} == {torch.float32}
    for key, value in one.items():
        torch.testing.assert_close(other[key], value, rtol=2e-3, atol=1e-6)
    again = U2Net(TINY.table)
    load_weights(again, half)
    assert {value.dtype for value in again.parameters()} == {torch.float32}


def test_describing_needs_no_pytorch(tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    save_weights(path, tiny_network(), TINY)
    code = (
        "import sys, pathlib; from rtsod.model.description import describe; "
        f"print(describe(pathlib.Path({str(path)!r})).name, 'torch' in sys.modules, 'onnx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == [TINY.name, "False", "False"]


@pytest.mark.parametrize(
    ("text", "name"),
    [("my run (2)", "my-run-2-"), ("../x", "x"), ("", "network"), ("lite", "my-lite"), ("ü", "network")],
)
def test_any_text_becomes_a_valid_name(text: str, name: str) -> None:
    assert name_from(text) == name
    assert replace(TINY, name=name_from(text)).name == name


@given(st.text())
def test_every_text_becomes_a_valid_name(text: str) -> None:
    assert replace(TINY, name=name_from(text))


def test_the_example_table_is_the_one_it_describes() -> None:
    table = table_from_toml(SMALL)
    assert [(block.height, block.dilated) for block in table] == [(block.height, block.dilated) for block in LITE]
    assert {(block.mid_channels, block.out_channels) for block in table} == {(8, 24)}
    assert [block.in_channels for block in table] == [3, *[24] * 5, *[48] * 5]
    assert sum(parameter.numel() for parameter in U2Net(table).parameters()) == pytest.approx(0.206e6, rel=0.01)


@pytest.mark.parametrize("published", [FULL, LITE])
def test_the_papers_tables_can_be_written_as_toml(tmp_path: Path, published: tuple[Block, ...]) -> None:
    lines = [
        f'{stage} = {{ block = "RSU-{b.height}{"F" * b.dilated}", mid = {b.mid_channels}, out = {b.out_channels} }}'
        for stage, b in zip(STAGES, published, strict=True)
    ]
    path = tmp_path / "table.toml"
    path.write_text("\n".join(lines))
    assert table_from_toml(path) == published


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("En_1 = {", "En_9 = {", "En_9: is no stage"),
        ("En_3 =", "# En_3 =", "En_3: is missing"),
        ('En_2 = { block = "RSU-6"', 'En_2 = { block = "RSU-7"', "En_2: RSU-7: .* RSU-2 to RSU-6"),
        ('En_6 = { block = "RSU-4F"', 'En_6 = { block = "RSU-3"', "En_6: RSU-3: .* RSU-2, or RSU-4F"),
        ('En_6 = { block = "RSU-4F"', 'En_6 = { block = "RSU-5F"', "En_6: RSU-5F: the only dilated"),
        ('En_4 = { block = "RSU-4"', 'En_4 = { block = "RSU-1"', "En_4: RSU-1"),
        ('De_1 = { block = "RSU-7"', "De_1 = { block = 7", "De_1: block = 7"),
        ('En_4 = { block = "RSU-4", mid = 8', 'En_4 = { block = "RSU-4", mid = 0', "En_4: mid = 0"),
        ('En_4 = { block = "RSU-4", mid = 8', 'En_4 = { block = "RSU-4", mid = 4096', "En_4: mid = 4096"),
        ('En_4 = { block = "RSU-4", mid = 8', 'En_4 = { block = "RSU-4", mid = 1.5', "En_4: .* whole numbers"),
        ('En_4 = { block = "RSU-4", mid = 8', 'En_4 = { block = "RSU-4", mid = true', "En_4: .* whole numbers"),
        ('En_4 = { block = "RSU-4", mid = 8', 'En_4 = { block = "RSU-4", middle = 8', "En_4: needs block, mid and out"),
        ('En_4 = { block = "RSU-4",', 'En_4 = { block = "RSU-4", in = 48,', "En_4: in = 48, but En_3 gives 24"),
        ('En_1 = { block = "RSU-7",', 'En_1 = { block = "RSU-7", in = 1,', "En_1: in = 1, but the picture has 3"),
        ('De_4 = { block = "RSU-4",', 'De_4 = { block = "RSU-4", in = 24,', r"De_5 and En_4 give 24 \+ 24 = 48: write"),
        ("En_1 =", "En_1 ==", "not a TOML file"),
    ],
)
def test_a_mistake_in_a_table_names_its_stage_and_fix(tmp_path: Path, old: str, new: str, reason: str) -> None:
    text = SMALL.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / "table.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError, match=reason) as caught:
        table_from_toml(path)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        table_from_toml(tmp_path / "absent.toml")
