"""The errors people see: each names the object, the problem and, where there is one, the next step.

Every error that may reach an operator, a manager or a log derives from DvsError; what does not is a bug.
"""

from __future__ import annotations


class DvsError(Exception):
    """Something that can't be done, told as "object: problem; remedy"."""

    def __init__(self, subject: str, problem: str, remedy: str = "") -> None:
        super().__init__(subject, problem, remedy)
        self.subject = subject
        """The thing concerned, in the operator's words: "port-profile web"."""
        self.problem = problem
        self.remedy = remedy
        """What to do next; may be empty."""

    def __str__(self) -> str:
        text = f"{self.subject}: {self.problem}" if self.subject else self.problem
        return f"{text}; {self.remedy}" if self.remedy else text


class InvalidValue(DvsError):
    """A value is malformed or out of range."""


class NotFound(DvsError):
    """The object does not exist."""


class Conflict(DvsError):
    """Clashes with what is there: a duplicate, something in use, a loop."""


class StorageError(DvsError):
    """The supervisor's store did not take the change; nothing was changed."""


class Unavailable(DvsError):
    """Can't be done now (supervisor away, module absent); trying again later may work."""
