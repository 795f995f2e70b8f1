"""Networks that misbehave, each in its own way."""

import os
import signal
import time

import torch


class Sound(torch.nn.Module):
    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.first, self.last = torch.nn.Linear(inputs, width), torch.nn.Linear(width, outputs)

    def forward(self, x):
        return self.last(torch.tanh(self.first(x)))


class NotFinite(Sound):
    def forward(self, x):
        return super().forward(x) * torch.nan


class Killed(Sound):
    def forward(self, x):  # noqa: ARG002
        os.kill(os.getpid(), signal.SIGKILL)


class Raising(Sound):
    def forward(self, x):  # noqa: ARG002
        message = "not today"
        raise RuntimeError(message)


class Asleep(Sound):
    def forward(self, x):
        time.sleep(0.3)
        return super().forward(x)


class Endless(Sound):
    def forward(self, x):  # noqa: ARG002
        time.sleep(1000)


class Greedy(Sound):
    def forward(self, x):
        self.hoard = [torch.ones(10**8, dtype=torch.float64) for _ in range(100)]
        return super().forward(x)
