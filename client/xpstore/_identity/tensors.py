"""Fingerprints of tensors: type, shape and elements in C order, wherever they are."""

from typing import Any

from xpstore._identity.arrays import PIECE_BYTES, cut, one_nan, seal_head, with_one_bfloat16_nan
from xpstore._identity.nodes import Branch, Node, NodeType, no_fingerprint, seal


def expand_torch(value: Any) -> bytes | Branch | None:
    """Tensors, wherever they are and whether or not they need gradients."""
    import torch  # here: it may be missing

    if isinstance(value, (torch.dtype, torch.device)):
        return seal(NodeType.DTYPE + str(value).encode())
    if isinstance(value, torch.nn.Module):
        raise no_fingerprint(value, "pass its state_dict() and the configuration that it was built from")
    if isinstance(value, torch.Generator):
        raise no_fingerprint(value, "pass the seed that it is made from")
    if not isinstance(value, torch.Tensor):
        return None
    if value.layout is not torch.strided or value.is_quantized:
        raise no_fingerprint(value, "only dense tensors have one: pass value.to_dense() or value.dequantize()")
    return _tensor(value)


def _tensor(value: Any) -> bytes:
    import torch  # here: it may be missing

    tensor = value.detach().resolve_conj().resolve_neg().cpu()
    name = str(tensor.dtype).removeprefix("torch.")
    node = Node(NodeType.TENSOR)
    node.write(seal_head(name, tuple(tensor.shape)))
    flat = tensor.contiguous().reshape(-1)
    count = max(PIECE_BYTES // tensor.element_size(), 1)
    for start in range(0, flat.numel(), count):
        piece = flat[start : start + count]
        if tensor.dtype is torch.bfloat16:
            array = with_one_bfloat16_nan(piece.view(torch.int16).numpy())
        elif name.startswith("float8"):
            array = piece.view(torch.uint8).numpy()
        else:
            array = next(cut(piece.numpy()))
        node.write(one_nan(array))
    return node.seal()
