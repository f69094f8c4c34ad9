"""An image for the drawings of networks."""

import pytest
import torch


@pytest.fixture
def image():
    """A bright ring on black, with some noise so that no two windows are alike."""
    torch.manual_seed(0)
    y, x = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    radius = ((y - 13.5) ** 2 + (x - 13.5) ** 2).sqrt()
    return ((radius - 8).abs() < 2)[None] * (0.7 + 0.3 * torch.rand(1, 28, 28))
