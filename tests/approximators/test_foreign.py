import pytest
import torch
from contract import ApproximatorContract, assert_close

from pdesolve.approximators import ForeignNetwork
from pdesolve.approximators.foreign import GivenNetwork
from pdesolve.errors import UsageError

MODULE = """
import torch


class MyNet(torch.nn.Module):
    def __init__(self, inputs, outputs, width, lower, slope=1.0):
        super().__init__()
        self.first, self.last = torch.nn.Linear(inputs, width), torch.nn.Linear(width, outputs)

    def forward(self, x):
        return self.last(torch.sigmoid(self.first(x)))


class Strange(MyNet):
    def __init__(self, inputs, outputs, colour):
        super().__init__(inputs, outputs, 3, None)


class Summed(MyNet):
    def forward(self, x):
        return super().forward(x).sum(1)


class Frozen(torch.nn.Module):
    def forward(self, x):
        return x[:, :1]
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("user") / "my_module.py"
    path.write_text(MODULE)
    return path


class TestForeignNetwork(ApproximatorContract):
    @pytest.fixture(autouse=True)
    def _file(self, file):
        self.name = f"{file}:MyNet"

    def make(self, seed=0, dtype="float64"):
        return ForeignNetwork(self.name, 2, 2, width=5, seed=seed, dtype=dtype)


def test_scaled_outputs_are_scaled_jets(file):
    network, x = ForeignNetwork(f"{file}:MyNet", 2, 2), torch.rand(4, 2, dtype=torch.float64)
    before = network.jet(x, [(0, 0), (1, 1)])
    sizes = torch.tensor([3.0, 0.5], dtype=torch.float64)
    network.scale_outputs(sizes)
    assert_close(network.jet(x, [(0, 0), (1, 1)]), before * sizes[:, None])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("{file}:YourNet", "defines no torch.nn.Module 'YourNet'; it defines MyNet, Strange, Summed, Frozen"),
        ("nowhere.py:MyNet", "there is no file nowhere.py"),
        ("{file}:Strange", "asks for colour; its constructor may ask for inputs, outputs, width"),
        ("{file}:Summed", r"maps points \(3, 2\) to \(3,\); expected \(3, 1\)"),
        ("{file}:Frozen", "has no trainable parameters"),
    ],
)
def test_a_class_that_does_not_fit_is_refused_in_a_sentence(file, name, sentence):
    with pytest.raises(UsageError, match=sentence):
        ForeignNetwork(name.format(file=file), 2)


class OnceOnly(torch.autograd.Function):
    """Squares, as torch.compile leaves them: with a first derivative and no second."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, slope):
        if torch.is_grad_enabled():  # it is where the derivative is to be differentiated again
            message = "no double backward"
            raise RuntimeError(message)
        return 2 * ctx.saved_tensors[0] * slope


class Compiled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(1, 1)

    def forward(self, x):
        return self.linear(OnceOnly.apply(x))


def test_a_module_without_second_derivatives_is_refused_in_a_sentence():
    with pytest.raises(UsageError, match=r"differentiated twice .* backend='eager'"):
        GivenNetwork(Compiled(), inputs=1)
