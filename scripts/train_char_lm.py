"""Train the zoo's character language model on Python's own reference text; export it to ONNX.

The text is ``pydoc_data.topics`` of CPython 3.11.7. It differs between micro-versions, so the
script checks its SHA-256 and runs under that version only.
Needs torch, onnx and onnxruntime; hwsim itself needs no torch, because the trained network
ships with it.
Run ``python scripts/train_char_lm.py [--out DIR]``.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
import time
from dataclasses import dataclass
from pydoc_data import topics

import numpy as np
import onnx
import torch
from torch import nn
from zoo_export import GraphBuilder, bits_per_character, float_value, int_value, ship, start

NAME = "char-lm"
PYTHON = "3.11.7"
TEXT_SHA256 = "37d06970fc926e60c16dff401e441b84752446a36b6b64516c229fdec77e992c"
SEED = 0
STEPS = 1200
WARMUP = 50
BATCH = 32
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.3
INITIAL_DEVIATION = 0.02
CONTEXT = 64
WIDTH = 64
HEADS = 4
HEAD_SCALE = (WIDTH // HEADS) ** -0.5
BLOCKS = 2
EPSILON = 1e-5
CALIBRATION_SEQUENCES = 64
EVALUATION_SEQUENCES = 96
MASKED = -1e9
METADATA = {
    "description": "GPT that predicts the next character of English technical prose: "
    f"{BLOCKS} pre-norm blocks of width {WIDTH} with {HEADS} heads and ReLU, no biases, "
    f"normalisation without gains, context {CONTEXT}.",
    "data": f"pydoc_data.topics of CPython {PYTHON}, sha256 {TEXT_SHA256}; "
    "Copyright Python Software Foundation",
    "licence": "data: Python Software Foundation License Version 2; network: the licence of hwsim",
    "script": "scripts/train_char_lm.py",
}


@dataclass(frozen=True)
class Corpus:
    """The text as indices into ``vocabulary``; the last tenth is held out."""

    vocabulary: str
    training: torch.Tensor
    held_out: torch.Tensor


class Block(nn.Module):
    """A pre-norm transformer block without biases."""

    def __init__(self) -> None:
        """Make the layers."""
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.proj = nn.Linear(WIDTH, WIDTH, bias=False)
        self.up = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.down = nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, value: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the block's output (N, CONTEXT, WIDTH)."""
        heads = self.qkv(normalised(value)).unflatten(-1, (3, HEADS, -1))
        query, key, content = heads.permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-1, -2) * HEAD_SCALE
        mixed = torch.softmax(scores + mask, -1) @ content
        value = value + self.proj(mixed.transpose(1, 2).flatten(2))
        return value + self.down(torch.relu(self.up(normalised(value))))


class CharLm(nn.Module):
    """A small GPT over characters."""

    def __init__(self, vocabulary: int) -> None:
        """Make the layers and draw the initial weights as GPT-2 does."""
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, WIDTH)
        self.positions = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.head = nn.Linear(WIDTH, vocabulary, bias=False)
        self.register_buffer("mask", torch.full((CONTEXT, CONTEXT), MASKED).triu(1))
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=INITIAL_DEVIATION)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, CONTEXT, vocabulary) of the next characters."""
        value = self.tokens(tokens) + self.positions.weight
        for block in self.blocks:
            value = block(value, self.mask)
        return self.head(normalised(value))


def normalised(value: torch.Tensor) -> torch.Tensor:
    """Return the layer normalisation of ``value`` without gains and offsets."""
    return nn.functional.layer_norm(value, (WIDTH,), eps=EPSILON)


def load_corpus() -> Corpus:
    """Return the pinned text, split 90:10; stop when this Python carries another text."""
    text = "".join(topics.topics[key] for key in sorted(topics.topics))
    found = hashlib.sha256(text.encode()).hexdigest()
    if found != TEXT_SHA256:
        raise SystemExit(
            f"pydoc_data.topics of Python {platform.python_version()} has sha256 {found}, "
            f"not {TEXT_SHA256}: run this script with Python {PYTHON}"
        )
    vocabulary = "".join(sorted(set(text)))
    indices = {character: index for index, character in enumerate(vocabulary)}
    tokens = torch.tensor([indices[character] for character in text])
    cut = len(tokens) * 9 // 10
    return Corpus(vocabulary, tokens[:cut], tokens[cut:])


def sequences(text: torch.Tensor, starts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the tokens and the next tokens (both N, CONTEXT) of the given places."""
    windows = text[starts[:, None] + torch.arange(CONTEXT + 1)]
    return windows[:, :-1], windows[:, 1:]


def spaced(text: torch.Tensor, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens and the next tokens of ``count`` evenly spaced places."""
    tokens, labels = sequences(text, torch.arange(count) * (len(text) - CONTEXT - 1) // (count - 1))
    return tokens.numpy(), labels.numpy()


def learning_rate_factor(step: int) -> float:
    """Return the factor of a linear warm-up followed by a cosine decay."""
    return min(1.0, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * step / STEPS))


def train(corpus: Corpus) -> CharLm:
    """Train the network and return it in evaluation mode."""
    torch.manual_seed(SEED)
    model = CharLm(len(corpus.vocabulary))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, learning_rate_factor)
    for step in range(STEPS):
        starts = torch.randint(len(corpus.training) - CONTEXT, (BATCH,))
        tokens, labels = sequences(corpus.training, starts)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(tokens).flatten(0, 1), labels.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}: {loss.item() / math.log(2):.3f} bits/char", flush=True)
    return model.eval()


def add_norm(graph: GraphBuilder, name: str, value: str) -> str:
    """Add a LayerNormalization over the last axis; ONNX wants a gain, so it is all ones."""
    inputs = [value, "norm.gain"]
    return graph.node("LayerNormalization", name, inputs, axis=-1, epsilon=EPSILON)


def add_heads(graph: GraphBuilder, name: str, joined: str) -> list[str]:
    """Split the joined projection into queries, keys (transposed) and contents per head."""
    parts = [f"{name}.{part}" for part in ("query", "key", "content")]
    heads = []
    graph.split(f"{name}.split", joined, parts, "parts.sizes")
    for part, order in zip(parts, ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]), strict=True):
        shaped = graph.node("Reshape", f"{part}.shaped", [part, "heads.shape"])
        heads.append(graph.node("Transpose", f"{part}.heads", [shaped], perm=order))
    return heads


def add_attention(graph: GraphBuilder, name: str, block: Block, value: str) -> str:
    """Add the causal self-attention of a block up to its projection."""
    joined = graph.matmul(f"{name}.qkv", block.qkv, value)
    query, key, content = add_heads(graph, name, joined)
    scores = graph.node("MatMul", f"{name}.scores", [query, key])
    scaled = graph.node("Mul", f"{name}.scaled", [scores, "heads.scale"])
    masked = graph.node("Add", f"{name}.masked", [scaled, "mask"])
    attention = graph.node("Softmax", f"{name}.attention", [masked], axis=-1)
    mixed = graph.node("MatMul", f"{name}.mix", [attention, content])
    turned = graph.node("Transpose", f"{name}.turned", [mixed], perm=[0, 2, 1, 3])
    merged = graph.node("Reshape", f"{name}.merged", [turned, "merged.shape"])
    return graph.matmul(f"{name}.proj", block.proj, merged)


def add_block(graph: GraphBuilder, name: str, block: Block, value: str) -> str:
    """Add one transformer block."""
    attended = add_attention(graph, name, block, add_norm(graph, f"{name}.norm1", value))
    value = graph.node("Add", f"{name}.attended", [value, attended])
    hidden = graph.matmul(f"{name}.up", block.up, add_norm(graph, f"{name}.norm2", value))
    hidden = graph.node("Relu", f"{name}.relu", [hidden])
    fed = graph.matmul(f"{name}.down", block.down, hidden)
    return graph.node("Add", f"{name}.fed", [value, fed])


def export(model: CharLm, vocabulary: str) -> onnx.ModelProto:
    """Return the trained network as an ONNX model."""
    graph = GraphBuilder()
    graph.constant("parts.sizes", [WIDTH] * 3, np.int64)
    graph.constant("heads.shape", [0, CONTEXT, HEADS, WIDTH // HEADS], np.int64)
    graph.constant("merged.shape", [0, CONTEXT, WIDTH], np.int64)
    graph.constant("heads.scale", HEAD_SCALE)
    graph.parameter("mask", model.mask)
    graph.constant("norm.gain", np.ones(WIDTH))
    table = graph.parameter("tokens.table", model.tokens.weight)
    positions = graph.parameter("positions.table", model.positions.weight)
    value = graph.node("Gather", "embedding", [table, "tokens"], axis=0)
    value = graph.node("Add", "embedded", [value, positions])
    for index, block in enumerate(model.blocks):
        value = add_block(graph, f"block{index}", block, value)
    graph.matmul("head", model.head, add_norm(graph, "norm", value), output="logits")
    tokens = int_value("tokens", ["N", CONTEXT])
    logits = float_value("logits", ["N", CONTEXT, len(vocabulary)])
    metadata = {**METADATA, "vocabulary": json.dumps(vocabulary)}
    return graph.model(NAME, tokens, logits, metadata)


def main() -> None:
    """Train, export and check the character language model."""
    folder = start(main.__doc__ or "")
    corpus = load_corpus()
    started = time.perf_counter()
    network = train(corpus)
    print(f"trained in {time.perf_counter() - started:.1f} s")
    model = export(network, corpus.vocabulary)
    calibration, _ = spaced(corpus.training, CALIBRATION_SEQUENCES)
    evaluation = spaced(corpus.held_out, EVALUATION_SEQUENCES)
    logits, labels = ship(folder, network, model, calibration, evaluation)
    print(f"bits per character: {bits_per_character(logits, labels):.4f} of {labels.size}")


if __name__ == "__main__":
    main()
