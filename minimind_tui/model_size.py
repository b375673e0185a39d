"""How many parameters a network has, from its shape alone."""

from engine.settings.shape import ModelShape


def parameter_count(shape: ModelShape) -> int:
    """The parameters of the dense network of this shape; embedding and head are one matrix and counted once."""
    hidden = shape.hidden_size
    attention = 2 * hidden * shape.query_size + 2 * hidden * shape.key_value_size
    if shape.qk_norm:
        attention += 2 * shape.head_dim
    block = attention + 3 * hidden * shape.intermediate_size + 2 * hidden
    return shape.vocab_size * hidden + shape.num_hidden_layers * block + hidden
