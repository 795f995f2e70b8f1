import pytest
import torch
from contract import ApproximatorContract, assert_close

from pdesolve.approximators import MLP, GaussianMixture, Lifting, box_distance, box_extension, disk_distance
from pdesolve.errors import UsageError


def boundary_values(x):
    return torch.sin(3 * x[:, 0]) + x[:, 1] ** 3


@pytest.mark.parametrize("inner", ["mlp", "mixture"])
class TestLifting(ApproximatorContract):
    @pytest.fixture(autouse=True)
    def _case(self, inner):
        self.inner = inner

    def make(self, seed=0, dtype="float64"):
        if self.inner == "mlp":
            approximator = MLP(2, 2, (5, 4), seed=seed, dtype=dtype)
        else:
            approximator = GaussianMixture(2, 2, 4, seed=seed, dtype=dtype)
        extension = box_extension(boundary_values, (-1, -1), (1, 2))
        return Lifting(approximator, box_distance((-1, -1), (1, 2)), extension)

    def test_configuration_and_state_restore_it_to_the_bit(
        self, approximator
    ):  # functions: the problem has them
        with pytest.raises(UsageError, match="build the lifting around it again"):
            approximator.config()

    def test_boundary_values_are_exact_whatever_the_parameters(self, approximator):
        s = torch.linspace(0, 1, 11, dtype=torch.float64)
        x, y = 2 * s - 1, 3 * s - 1
        edges = [(x, -1 + 0 * s), (x, 2 + 0 * s), (-1 + 0 * s, y), (1 + 0 * s, y)]
        points = torch.cat([torch.stack(edge, -1) for edge in edges])
        assert_close(approximator(points), boundary_values(points)[:, None].expand(-1, 2))


def test_disk_values_are_exact_on_the_circle():
    lifted = Lifting(MLP(2, 1, (6,)), disk_distance((1, 2), 0.5), boundary_values)
    angle = torch.linspace(0, 6, 20, dtype=torch.float64)
    circle = torch.stack([1 + 0.5 * torch.cos(angle), 2 + 0.5 * torch.sin(angle)], -1)
    assert_close(lifted(circle)[:, 0], boundary_values(circle))


def test_distances_are_one_at_the_centre_and_positive_inside():
    box = box_distance((0, 0, 0), (1, 2, 3))
    assert_close(box(torch.tensor([[0.5, 1, 1.5]]).double()), torch.ones(1, dtype=torch.float64))
    inside = torch.rand(50, 3, dtype=torch.float64) * torch.tensor([1, 2, 3])
    assert (box(inside) > 0).all()
    disk = disk_distance((0, 0), 2)
    assert_close(
        disk(torch.tensor([[0.0, 0], [2, 0], [3, 0]]).double()), torch.tensor([1, 0, -1.25]).double()
    )


@pytest.mark.parametrize("d", [1, 2, 3])
def test_transfinite_interpolation_agrees_on_every_face(d):
    lower, upper = torch.zeros(d).double(), torch.arange(1, d + 1).double()
    extension = box_extension(lambda x: torch.cos(x.sum(-1)) * x[:, 0], lower, upper)
    for axis in range(d):
        for end in (lower, upper):
            x = torch.rand(9, d, dtype=torch.float64) * upper
            x[:, axis] = end[axis]
            assert_close(extension(x), torch.cos(x.sum(-1)) * x[:, 0])


def test_constant_values_need_no_function():
    lifted = Lifting(MLP(2, 2, (4,)), box_distance((0, 0), (1, 1)), (1.0, -2.0))
    corner = torch.zeros(1, 2, dtype=torch.float64)
    assert lifted(corner).tolist() == [[1.0, -2.0]]
    assert_close(lifted.jet(corner, [(0, 0)])[..., 0], lifted(corner))


def test_a_function_of_the_wrong_shape_is_refused():
    x = torch.zeros(3, 2, dtype=torch.float64)
    with pytest.raises(UsageError, match=r"the distance returned shape \(3, 2\), expected \(3,\)"):
        Lifting(MLP(2), lambda points: points)(x)
    with pytest.raises(UsageError, match=r"the extension returned shape \(3, 2\)"):
        Lifting(MLP(2), box_distance((0, 0), (1, 1)), lambda points: points)(x)


def test_faces_that_prescribe_nothing_do_not_enter():
    values = {(0, 0): lambda x: x[:, 1] ** 2, (1, 0): lambda x: 3 * x[:, 0], (0, 1): lambda x: 3 + x[:, 1]}
    extension = box_extension(values, (0, 0), (1, 2))
    s = torch.linspace(0, 1, 7, dtype=torch.float64)
    for (axis, end), value in values.items():
        x = torch.stack([s, 2 * s], -1)
        x[:, axis] = (end * 1.0, 2.0 * end)[axis]
        assert_close(extension(x), value(x))


def test_each_output_may_have_its_own_distance():
    lifted = Lifting(MLP(2, 2, (4,)), lambda x: torch.stack([x[:, 0], x[:, 1] ** 2], 1), (1.0, 2.0))
    x = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).double()
    assert lifted(x)[0, 0] == 1
    assert lifted(x)[1, 1] == 2
    assert_close(lifted.jet(x, [(0, 1)])[1, 1, 0], torch.tensor(0.0).double())
