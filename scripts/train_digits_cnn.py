"""Train the zoo's digits CNN on scikit-learn's 8x8 digits and export it to ONNX.

Needs torch, scikit-learn, onnx and onnxruntime; hwsim itself needs none of torch and
scikit-learn, because the trained network ships with it.
Run ``python scripts/train_digits_cnn.py [--out DIR]``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import onnx
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from zoo_export import GraphBuilder, float_value, ship, start

NAME = "digits-cnn"
SEED = 0
EPOCHS = 15
BATCH = 32
LEARNING_RATE = 3e-3
CALIBRATION_IMAGES = 256
CHANNELS = (1, 12, 24, 24)
HIDDEN = 64
METADATA = {
    "description": "Convolutional network that classifies 8x8 images of handwritten digits; "
    "batch normalisation is folded into the convolutions. Input: pixels / 16, in 0..1.",
    "data": "UCI Optical Recognition of Handwritten Digits (E. Alpaydin and C. Kaynak), "
    "through scikit-learn's load_digits",
    "licence": "data: CC BY 4.0; network: the licence of hwsim",
    "script": "scripts/train_digits_cnn.py",
}


@dataclass(frozen=True)
class Digits:
    """The images (N, 1, 8, 8) in 0..1 and labels (N,) of the training and test splits."""

    train_images: np.ndarray
    test_images: np.ndarray
    train_labels: np.ndarray
    test_labels: np.ndarray


class DigitsCnn(nn.Module):
    """Three 3x3 convolutions, the later two followed by 2x2 max pooling, and two dense layers."""

    def __init__(self) -> None:
        """Make the layers with torch's default initial weights."""
        super().__init__()
        pairs = list(pairwise(CHANNELS))
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for _, b in pairs)
        self.fc1 = nn.Linear(CHANNELS[-1] * 2 * 2, HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, 10)."""
        value = image
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            value = torch.relu(norm(conv(value)))
            if index > 0:
                value = nn.functional.max_pool2d(value, 2)
        return self.fc2(torch.relu(self.fc1(value.flatten(1))))


def load_data() -> Digits:
    """Return the digits, scaled to 0..1 and split 70:30 with the classes balanced."""
    digits = load_digits()
    images = (digits.images[:, None] / 16).astype(np.float32)
    labels = digits.target.astype(np.int64)
    return Digits(
        *train_test_split(images, labels, test_size=0.3, stratify=labels, random_state=SEED)
    )


def train(data: Digits) -> DigitsCnn:
    """Train the network and return it in evaluation mode."""
    torch.manual_seed(SEED)
    model = DigitsCnn()
    images, labels = torch.from_numpy(data.train_images), torch.from_numpy(data.train_labels)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    steps = EPOCHS * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(EPOCHS):
        total = 0.0
        for batch in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1}: loss {total / len(images):.4f}", flush=True)
    return model.eval()


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[np.ndarray, np.ndarray]:
    """Return the weight and the bias of ``conv`` with ``norm`` folded in."""
    deviation = torch.sqrt(norm.running_var.double() + norm.eps)
    gain = norm.weight.detach().double() / deviation
    weight = conv.weight.detach().double() * gain[:, None, None, None]
    offset = conv.bias.detach().double() - norm.running_mean.double()
    return weight.numpy(), (offset * gain + norm.bias.detach().double()).numpy()


def add_convolution(graph: GraphBuilder, model: DigitsCnn, index: int, value: str) -> str:
    """Add convolution ``index`` with its ReLU, and its pooling if it has one."""
    name = f"conv{index + 1}"
    weight, bias = folded(model.convs[index], model.norms[index])
    constants = [graph.constant(f"{name}.weight", weight), graph.constant(f"{name}.bias", bias)]
    value = graph.node("Conv", name, [value, *constants], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    value = graph.node("Relu", f"relu{index + 1}", [value])
    if index == 0:
        return value
    return graph.node("MaxPool", f"pool{index + 1}", [value], kernel_shape=[2, 2], strides=[2, 2])


def export(model: DigitsCnn) -> onnx.ModelProto:
    """Return the trained network as an ONNX model."""
    graph = GraphBuilder()
    value = "image"
    for index in range(len(model.convs)):
        value = add_convolution(graph, model, index, value)
    value = graph.node("Flatten", "flatten", [value])
    value = graph.node("Relu", "relu4", [graph.gemm("fc1", model.fc1, value)])
    graph.gemm("fc2", model.fc2, value, output="logits")
    image = float_value("image", ["N", CHANNELS[0], 8, 8])
    return graph.model(NAME, image, float_value("logits", ["N", 10]), METADATA)


def main() -> None:
    """Train, export and check the digits CNN."""
    folder = start(main.__doc__ or "")
    data = load_data()
    started = time.perf_counter()
    network = train(data)
    print(f"trained in {time.perf_counter() - started:.1f} s")
    calibration = data.train_images[:CALIBRATION_IMAGES]
    evaluation = data.test_images, data.test_labels
    logits, labels = ship(folder, network, export(network), calibration, evaluation)
    print(f"accuracy: {(logits.argmax(1) == labels).mean():.4f} of {len(labels)} images")


if __name__ == "__main__":
    main()
