"""Fetching the larger public data sets: once, checked, with a message for people where it fails."""

import logging
from contextlib import contextmanager
from pathlib import Path

from course_utils.data.catalogue import DataFile, DataSet, bundled_file, find
from course_utils.data.corpora import docstrings
from course_utils.data.pictures import lfw
from course_utils.errors import CourseError

TIMEOUT_SECONDS = 20


def fetch(name: str) -> Path:
    """Make a data set ready for use and return the folder that holds its files.

    A fetchable set is downloaded (with a progress bar) unless it is there already; the docstrings are read;
    of a bundled set the files are checked. Raises CourseError where the name is unknown, no server answers,
    what arrives is not what was expected, or the folder cannot be written.
    """
    data_set = find(name)
    if data_set.kind == "bundled":
        bundled_file(name)
    elif data_set.kind == "read here":
        docstrings()
    elif data_set.name == "lfw":
        lfw(download=True)  # scikit-learn knows where it is, how to unpack it and its checksums
    else:  # what is made here has no files
        for file in data_set.files:
            download(data_set, file)
    return data_set.folder


def download(data_set: DataSet, file: DataFile) -> None:
    """Get one file from the first mirror that serves it unharmed, unless the right file is there already."""
    import pooch
    import requests

    damaged = False
    for mirror in data_set.mirrors:
        try:
            with quiet_pooch():
                pooch.retrieve(
                    mirror + file.name,
                    known_hash=f"sha256:{file.sha256}",
                    fname=file.name,
                    path=data_set.folder,
                    downloader=pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT_SECONDS),
                )
            return
        except requests.RequestException:  # an OSError too, so it has to be asked for first
            continue
        except ValueError:  # pooch's word for a wrong checksum; it keeps nothing
            damaged = True
        except OSError as error:
            raise CourseError(
                f"{data_set.name} cannot be kept in {data_set.folder} ({error.strerror}); "
                "free some space there or make the folder writable."
            ) from None
    if damaged:
        raise CourseError(
            f"The file {file.name} of {data_set.name} arrived damaged (its checksum is not the known one) "
            f"and was not kept; run `course data fetch {data_set.name}` again later."
        )
    raise CourseError(
        f"{data_set.name} could not be downloaded, because no server gave its file {file.name}; check the "
        f"network and run `course data fetch {data_set.name}` again (everything else works without it)."
    )


@contextmanager
def quiet_pooch():
    """Keep pooch's own log lines away from people for a while."""
    import pooch

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
