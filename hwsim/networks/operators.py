"""Which ONNX operators are simulated, which run on ONNX Runtime, and which are refused.

An operator that multiplies and accumulates must never run natively unnoticed, so this is a list
of what is allowed: whatever is not named here (another domain, a newer operator) is refused.
Allowed are elementwise functions, data movement, comparisons, pooling, normalisation,
reductions and interpolation: they do not belong to the MAC array of an accelerator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx

from hwsim.errors import UnsupportedOperator

SIMULATED = frozenset(
    {"Conv", "ConvTranspose", "Einsum", "Gemm", "MatMul"}
    | {"ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"}
)
QDQ_DOMAIN = "hwsim.qdq"  # of nodes that stand for dequantization, product and quantization
SCHEMA_FUNCTIONS = frozenset({"Attention", "CausalConvWithState"})  # written out
RECURRENT = frozenset({"GRU", "LSTM", "RNN"})  # unrolled

_NATIVE = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization BitCast
BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Cast CastLike Ceil Celu
CenterCropPad Clip Col2Im Compress Concat ConcatFromSequence Constant ConstantOfShape Cos Cosh
CumProd CumSum DepthToSpace DequantizeLinear Div Dropout DynamicQuantizeLinear Elu Equal Erf Exp
Expand EyeLike Flatten Floor Gather GatherElements GatherND Gelu GlobalAveragePool GlobalLpPool
GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HammingWindow HannWindow
HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN LayerNormalization
LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization LpPool Max MaxPool MaxRoiPool MaxUnpool
Mean MeanVarianceNormalization Min Mish Mod Mul Neg NegativeLogLikelihoodLoss NonMaxSuppression
NonZero Not OneHot Optional OptionalGetElement OptionalHasElement Or PRelu Pad Pow QuantizeLinear
RMSNormalization Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence
RoiAlign RotaryEmbedding Round Scatter ScatterElements ScatterND Selu SequenceAt SequenceConstruct
SequenceEmpty SequenceErase SequenceInsert SequenceLength Shape Shrink Sigmoid Sign Sin Sinh Size
Slice Softmax SoftmaxCrossEntropyLoss Softplus Softsign SpaceToDepth Split SplitToSequence Sqrt
Squeeze Sub Sum SwiGLU Swish Tan Tanh TensorScatter ThresholdedRelu Tile TopK Transpose Trilu
Unique Unsqueeze Upsample Where Xor If Loop Scan
"""
_NATIVE_ML = """
ArrayFeatureExtractor Binarizer CastMap CategoryMapper DictVectorizer FeatureVectorizer Imputer
LabelEncoder Normalizer OneHotEncoder Scaler TreeEnsemble TreeEnsembleClassifier
TreeEnsembleRegressor ZipMap
"""
NATIVE = {"": frozenset(_NATIVE.split()), "ai.onnx.ml": frozenset(_NATIVE_ML.split())}

RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike"}
    | {"RandomUniform", "RandomUniformLike"}
)
ADVICE = {
    "DeformConv": "gather the samples first and multiply them with MatMul",
    "Einsum": "write it as Einsums of two operands: their order decides the sums",
    "AffineGrid": "compute the grid outside the model, or write it as MatMul with the positions",
    "LinearAttention": "its recurrence is a Scan: unroll it into MatMuls",
    "DFT": "write the transform as a MatMul with a constant matrix",
    "STFT": "write the transform as a Conv or MatMul with a constant matrix",
    "Det": "compute determinants outside the model",
    "SequenceMap": "unroll it",
}


def check_operators(model: onnx.ModelProto) -> None:
    """Raise UnsupportedOperator for the first node that must not run natively."""
    for node, depth in _walk(model.graph.node):
        name, operator = node.name or f"{node.op_type} -> {first_output(node)}", label(node)
        if depth and (is_simulated(node) or operator in SCHEMA_FUNCTIONS | RECURRENT):
            advice = "it sits inside an If, Loop or Scan: unroll the loop or fix the branch"
            raise UnsupportedOperator(name, operator, advice)
        if not is_simulated(node) and not is_native(node):
            raise UnsupportedOperator(name, operator, _advice(node))


def is_simulated(node: onnx.NodeProto) -> bool:
    """Whether the node's products run on the simulated unit."""
    known = domain(node) == "" and node.op_type in SIMULATED
    known = known and (node.op_type != "Einsum" or len(node.input) == 2)
    return known or domain(node) == QDQ_DOMAIN


def is_native(node: onnx.NodeProto) -> bool:
    """Whether the node may run on ONNX Runtime."""
    moves = label(node) == "Einsum" and len(node.input) == 1  # and adds up, but never multiplies
    return moves or node.op_type in NATIVE.get(domain(node), frozenset())


def domain(node: onnx.NodeProto) -> str:
    """The node's domain; both spellings of the standard one are ``''``."""
    return "" if node.domain == "ai.onnx" else node.domain


def label(node: onnx.NodeProto) -> str:
    """The operator with its domain, for messages."""
    return f"{domain(node)}.{node.op_type}".lstrip(".")


def first_output(node: onnx.NodeProto) -> str:
    """Name of the first output that is not omitted."""
    return next((name for name in node.output if name), "")


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Bodies of an If, Loop or Scan."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def uses(node: onnx.NodeProto) -> list[str]:
    """Names that a node reads, those captured by its subgraphs included."""
    names = [name for name in node.input if name]
    for graph in subgraphs(node):
        own = {value.name for value in graph.input} | {t.name for t in graph.initializer}
        own |= {name for inner in graph.node for name in inner.output}
        names += [n for inner in graph.node for n in uses(inner) if n not in own]
        names += [value.name for value in graph.output if value.name not in own]
    return names


def _walk(nodes: Iterable[onnx.NodeProto], depth: int = 0) -> Iterator[tuple[onnx.NodeProto, int]]:
    for node in nodes:
        yield node, depth
        for graph in subgraphs(node):
            yield from _walk(graph.node, depth + 1)


def _advice(node: onnx.NodeProto) -> str:
    if domain(node) not in NATIVE:
        return "it belongs to another domain: export the model with standard ONNX operators"
    if node.op_type in RANDOM:
        return "it draws random numbers that no seed here reaches: make them an input"
    default = "it is unknown here or multiplies: write it with Conv, Gemm or MatMul"
    return ADVICE.get(node.op_type, default)
