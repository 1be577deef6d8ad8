"""The numbers that docs/format.md fixes, for training and run time alike, and what encoders share with
training. Nothing is imported here.
"""

# Latents and hyper latents

LATENT_LOG2 = 4
LATENT_STRIDE = 1 << LATENT_LOG2
"""Pixels per latent in each direction."""

HYPER_STRIDE = 4
"""Latents per hyper latent in each direction."""

HYPER_MAX = 31
"""Hyper latents, and the side information of features, are integers in [-HYPER_MAX, HYPER_MAX]."""

# Quantisation steps

RATE_INDICES = 256
"""Rows of the table of quantisation steps; row 0 is the coarsest."""

STEP_FRACTION = 32
"""Integers of the table of steps per grey level."""

LAST_QUALITY = 100
"""Qualities run from 1 to this; a set gives a rate index for each."""

# What encoders do, and training after them

LARGEST_CORRECTION = 2.0
"""Symbols by which a latent may be off in a block that is corrected (docs/decisions/effort.md)."""

SQUARED_ERROR_CORRECTION = 1.0
"""Of a correction, the share that is made with sets for squared error."""

EYES_CORRECTION = 0.6
"""The same with sets for eyes."""

EYES_SHARE = 0.6
"""With sets for eyes, the share of structural similarity in what encoders weigh against bits; the rest is squared error
(docs/decisions/ssim.md)."""

LEAST_WEIGHT = 0.05
"""Of an error that eyes hardly see, against one that counts as squared error does: corrections divide by it."""

# Symbols and their tables

SYMBOL_MAX = (1 << 15) - 1
"""Symbols are integers in [-SYMBOL_MAX, SYMBOL_MAX]."""

LARGEST_SUPPORT = SYMBOL_MAX - 1
"""Largest magnitude that a table may code directly; an escaped symbol is larger."""

SCALE_LEVELS = 64
"""Tables of symbols, one per scale index; a symbol of index 0 is 0 and not coded."""

PRECISION = 24
"""Bits of a probability: the frequencies of a table sum to 2^PRECISION."""

# Integer networks

ENTROPY_PROFILES = (1, 2)
"""The exact arithmetics of the entropy model that this version knows."""

FEATURE_PROFILE = 1
"""That of feature sets."""

COMPACT_PROFILE = 2
"""That of files in the compact form."""

ACTIVATION_FRACTION_BITS = 5
ACTIVATION_ONE = 1 << ACTIVATION_FRACTION_BITS
"""Activations of the integer networks are integers that stand for multiples of 1 / ACTIVATION_ONE."""

ACTIVATION_MAX = 255
"""Largest magnitude of an activation or input."""

ACCUMULATOR_LIMIT = 1 << 24
"""Sums stay below this magnitude, where float32 holds every integer."""

HYPER_ONE = 4
"""Integers that hyper synthesis reads for one step of a hyper latent."""

SIDE_ONE = 8
"""Integers that the generator of a feature set reads for one step of the side information."""

MEAN_FRACTION_BITS = 4
MEAN_ONE = 1 << MEAN_FRACTION_BITS
"""Predicted means and decoded latents are integers that stand for multiples of 1 / MEAN_ONE symbol."""

MEAN_MAX = 1 << 18
"""Predicted means are clamped to this magnitude."""

# Entropy profile 2

MEAN_CHANNELS = (0, 2, 1)
"""Channels of the first slice that hold the block means of the three opponent colours."""

PREDICTION_SHIFT = 12
"""Fraction bits of the weights of linear predictions."""

GAINS = 64
GAIN_ZERO = 32
"""Gains that a block may have, and the index of a gain of 1."""

CHECKSUM_BITS = 24
"""Of the checksum of a tile's symbols that its stream starts from."""

# Sets

IDENTITY_BYTES = 16
"""Length of the identity of a set's decoder."""

SHORT_IDENTITY_BYTES = 8
"""Bytes of it, the first ones, that compact files name."""

MOST_CLASSES = 254
"""Texture classes that a file or a set may have; two more numbers of a tile say that it is drawn, or absent."""

MOST_HALO = 15
"""Latents around a tile that its synthesis may look at."""

MOST_TASKS = 255
"""Tasks that a feature stream or set may have."""
