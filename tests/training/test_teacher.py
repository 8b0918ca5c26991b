from __future__ import annotations

import torch

from rtsod.model.u2net import Block, U2Net
from rtsod.training.teacher import Teacher

TINY = [Block(7, 3, 2, 4), *([Block(4, 4, 2, 4, dilated=True)] * 5), *([Block(4, 8, 2, 4, dilated=True)] * 5)]


def test_a_teacher_returns_all_maps_and_stays_as_it_is() -> None:
    torch.manual_seed(0)
    network = U2Net(TINY)
    network(torch.rand(3, 3, 64, 64))  # running means that evaluation and training tell apart
    before = {name: value.clone() for name, value in network.state_dict().items()}
    teacher = Teacher(network)
    images = torch.rand(2, 3, 64, 64)
    maps = teacher(images)
    assert len(maps) == 7
    assert all(map_.shape == (2, 1, 64, 64) and 0 <= map_.min() <= map_.max() <= 1 for map_ in maps)
    assert not any(map_.requires_grad for map_ in maps)
    with torch.no_grad():
        assert torch.equal(maps[0], torch.sigmoid(network.eval()(images)))
        assert not torch.equal(maps[0], torch.sigmoid(network.train()(images)[0]))
    network.load_state_dict(before)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_picture_gets_the_same_maps_in_any_batch() -> None:
    torch.manual_seed(0)
    teacher = Teacher(U2Net(TINY))
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(teacher(images)[3][:1], teacher(images[:1])[3])
