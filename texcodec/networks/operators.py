"""The ONNX operators that networks may use (docs/reference/models.md, "Graphs").

All of them compute tensors from tensors: none calls other graphs or reads files, pictures or text.
"""

from __future__ import annotations

OPSET = 17
"""Of the codec's own networks."""

CODEC = frozenset(
    b"Abs Add Clip Concat Constant Conv DepthToSpace Div Floor GlobalAveragePool Identity Log MatMul Mul Relu "
    b"Reshape Shape Sign Slice Split Sub Transpose".split()
)
"""What training exports use: networks of pictures, and of feature sets between features and stream."""

TASK = CODEC | frozenset(
    b"Acos Acosh And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization Cast "
    b"CastLike Ceil Celu CenterCropPad Compress ConstantOfShape ConvInteger ConvTranspose Cos Cosh CumSum "
    b"DeformConv DequantizeLinear Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike "
    b"Flatten GRU Gather GatherElements GatherND Gelu Gemm GlobalLpPool GlobalMaxPool Greater GreaterOrEqual "
    b"GridSample GroupNormalization HardSigmoid HardSwish Hardmax InstanceNormalization IsInf IsNaN LRN LSTM "
    b"LayerNormalization LeakyRelu Less LessOrEqual LogSoftmax LpNormalization LpPool MatMulInteger Max "
    b"MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization Min Mish Mod Neg NonMaxSuppression NonZero "
    b"Not OneHot Or PRelu Pad Pow QLinearConv QLinearMatMul QuantizeLinear RMSNormalization RNN Range "
    b"Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd "
    b"ReduceSum ReduceSumSquare Resize ReverseSequence RoiAlign RotaryEmbedding Round ScatterElements "
    b"ScatterND Selu Shrink Sigmoid Sin Sinh Size Softmax Softplus Softsign SpaceToDepth Sqrt Squeeze Sum "
    b"Swish Tan Tanh ThresholdedRelu Tile TopK Trilu Unsqueeze Upsample Where Xor".split()
)
"""What networks of tasks may use, which come from elsewhere: the standard domain but for control flow, random numbers,
sequences, optional values, text, bits, spectra, pictures and losses."""
