import pytest
import torch


@pytest.fixture
def double_by_default():
    """Results must not depend on torch's default; a test may set it back before it ends."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
