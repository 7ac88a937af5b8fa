"""Every error that Goldsmith raises on purpose.

    GoldsmithError
    ├── ConfigError (ValueError)         a run, profile, flag or domain name that makes no sense
    ├── DataError (ValueError)           a data set that is missing, corrupt or failed validation
    ├── DomainError (RuntimeError)       a domain plug-in raised, hung or broke its contract
    ├── TeacherError (ConnectionError)   the teacher's endpoint is down, slow or answers rubbish
    ├── TrainingError (RuntimeError)     a training job failed
    ├── ArtefactError (ValueError)       a model that may not enter: pickle, code, wrong form
    ├── RunError (RuntimeError)          a run that cannot start, go on or be found
    ├── EngineError (ConnectionError)    an engine is down, slow, refuses or answers rubbish
    ├── ServingError (RuntimeError)      a part of `goldsmith serve` does not start, or ends again
    ├── ClusterError (RuntimeError)      Kubernetes or Kubeflow Pipelines refuses, or is not there
    └── StoreError (OSError)             the store cannot be reached, read or written
        ├── NotFoundError                no such object
        ├── ConflictError                somebody else created or moved it first
        └── IntegrityError               bytes that do not match their recorded hash

A message says what failed on which object, why in the source's own words, and what to do.
"""


class GoldsmithError(Exception):
    """Base of the tree; `what` failed, `why`, and how to `fix` it, on one line."""

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        self.what, self.why, self.fix = what, why, fix
        message = f"{what}: {why}" if why else what
        super().__init__(f"{message}; {fix}" if fix else message)


class ConfigError(GoldsmithError, ValueError):
    """A run, profile, flag or domain name that makes no sense."""


class DataError(GoldsmithError, ValueError):
    """A data set that is missing, corrupt or failed validation."""


class DomainError(GoldsmithError, RuntimeError):
    """A domain plug-in raised, hung or broke its contract."""


class TeacherError(GoldsmithError, ConnectionError):
    """The teacher's endpoint is down, slow or answers rubbish."""


class TrainingError(GoldsmithError, RuntimeError):
    """A training job failed."""


class ArtefactError(GoldsmithError, ValueError):
    """A model that may not enter: pickle, code, wrong form."""


class RunError(GoldsmithError, RuntimeError):
    """A run that cannot start, go on or be found."""


class EngineError(GoldsmithError, ConnectionError):
    """An engine is down, slow, refuses or answers rubbish; `status` is HTTP's, 0 if none."""

    def __init__(self, what: str, *, why: str = "", fix: str = "", status: int = 0) -> None:
        self.status = status
        super().__init__(what, why=why, fix=fix)


class ServingError(GoldsmithError, RuntimeError):
    """A part of `goldsmith serve` does not start, or ends again and again."""


class ClusterError(GoldsmithError, RuntimeError):
    """Kubernetes or Kubeflow Pipelines refuses, or is not there; `status` is HTTP's, 0 if none."""

    def __init__(self, what: str, *, why: str = "", fix: str = "", status: int = 0) -> None:
        self.status = status
        super().__init__(what, why=why, fix=fix)


class StoreError(GoldsmithError, OSError):
    """The store cannot be reached, read or written."""


class NotFoundError(StoreError):
    """No such object in the store."""


class ConflictError(StoreError):
    """Somebody else created or moved the object first."""


class IntegrityError(StoreError):
    """Bytes that do not match their recorded hash."""
