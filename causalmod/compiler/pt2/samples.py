"""The sample inputs in a .pt2 file: a pickle that is looked at, but never loaded.

``torch.export.save`` puts the inputs of the export into every file, and ``torch.export.load``
unpickles them, whatever they name. A causal model has no use for them, so they are not loaded at
all; a pickle that names anything but plain tensors is refused all the same, since nobody who
exports a network writes one.
"""

from __future__ import annotations

import io
import pickletools
import zipfile

from causalmod.errors import CompileError

_TENSORS = frozenset(
    {
        "collections OrderedDict", "torch Size", "torch Tensor", "torch device",
        "torch._tensor _rebuild_from_type_v2", "torch._utils _rebuild_parameter",
        "torch._utils _rebuild_tensor_v2", "torch.storage UntypedStorage",
        "torch.storage TypedStorage", "torch.serialization _get_layout",
    }
)  # fmt: skip
_UNREADABLE = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"}
_ADVICE = "torch.export.load would run it"


def check_samples(content: bytes) -> None:
    """Refuse sample inputs whose pickle names anything but tensors.

    Raises:
        CompileError: it does, or it is no file of ``torch.save``.
    """
    if not content:
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            for member in opened.infolist():
                if member.file_size > len(content):
                    raise CompileError("its sample inputs announce more bytes than there are")
                if member.filename.endswith("data.pkl"):
                    _check_pickle(opened.read(member))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError) as reason:
        raise CompileError(f"its sample inputs are damaged, or a pickle: {reason}") from None


def _check_pickle(content: bytes) -> None:
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in _UNREADABLE:
            raise CompileError(f"its sample inputs make objects ({opcode.name}); {_ADVICE}")
        name = str(argument)
        if opcode.name == "GLOBAL" and name not in _TENSORS and not _is_storage(name):
            raise CompileError(f"its sample inputs name {name!r}; {_ADVICE}")


def _is_storage(name: str) -> bool:
    """True for ``torch FloatStorage`` and for ``torch float32``."""
    module, _, kind = name.partition(" ")
    number = kind.rstrip("0123456789") in {"float", "bfloat", "int", "uint", "complex", "bool"}
    return module == "torch" and (number or (kind.endswith("Storage") and kind.isalnum()))
