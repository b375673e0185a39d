"""The one door for pickled files: tensors and plain values come in, code does not, nor more bytes than the file has."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from engine.errors import UserError
from engine.language import _


def load_plain(path: Path) -> Any:
    """What `torch.save` wrote, on the cpu: tensors, containers, numbers, texts.

    Raises UserError for a file that holds anything else (nothing of it is executed), that is damaged, or that unpacks
    to more than it weighs: torch stores, it never compresses.
    """
    try:
        _refuse_bombs(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except pickle.UnpicklingError as error:
        raise UserError(
            _("{path} holds more than weights, so it was not opened: loading it could run code").format(path=path)
        ) from error
    except Exception as error:  # a damaged or hostile pickle fails in more ways than can be listed
        raise UserError(
            _("{path} is not a readable .pth file ({reason}). Copy or download it again").format(
                path=path, reason=str(error).splitlines()[0] if str(error) else type(error).__name__
            )
        ) from error


def _refuse_bombs(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if unpacked > path.stat().st_size or any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise UserError(_("{path} is compressed, which torch.save never does: it was not unpacked").format(path=path))
