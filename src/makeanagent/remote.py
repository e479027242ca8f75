"""Folders on the Hugging Face hub: fetched from there, and put there."""

import re
from pathlib import Path
from typing import Literal

from makeanagent.artifacts import describe_error
from makeanagent.errors import InputError

Kind = Literal["model", "dataset"]


def is_repo_id(name: str) -> bool:
    """Whether a name may be one on the hub: `owner/name`, and no path such as `./folder`."""
    is_path = name.startswith((".", "/", "~"))
    return not is_path and re.fullmatch(r"[\w.-]+/[\w.-]+", name) is not None


def fetch_folder(repo_id: str, kind: Kind, absent: str, patterns: list[str] | None = None) -> Path:
    """A folder with a repository's files, as far as they match a pattern if there are any.

    Args:
        repo_id: `owner/name`.
        kind: of the repository.
        absent: what begins the line that says that there is none.
        patterns: of paths, such as `meta/*`.

    Raises:
        InputError: it is not to be had.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repo_id, repo_type=kind, allow_patterns=patterns))
    except Exception as error:  # The hub's library raises many types.
        reason = describe_error(error)
        raise InputError(f"{absent}, and not to be had from the hub: {reason}") from None


def upload_folder(folder: Path, repo_id: str, kind: Kind, *, private: bool) -> str:
    """Put a folder on the hub, in a repository that may be new, and return the address.

    Args:
        folder: all of it is put there.
        repo_id: `owner/name`.
        kind: of the repository.
        private: whether a new repository is private.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    api.create_repo(repo_id, repo_type=kind, private=private, exist_ok=True)
    return str(api.upload_folder(repo_id=repo_id, repo_type=kind, folder_path=folder))
