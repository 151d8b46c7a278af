"""The one exception a user sees, and the exit codes every command shares."""

EXIT_DONE = 0
EXIT_INFEASIBLE = 3
EXIT_BAD_INPUT = 4
EXIT_REGRESSION = 10
EXIT_INCONCLUSIVE = 11
EXIT_NOTHING_MEASURED = 12
EXIT_BASELINE = 13
EXIT_FIDELITY = 14
EXIT_PARTLY_DONE = 20
EXIT_INFRASTRUCTURE = 21


class HarnessError(Exception):
    """A mistake the user can fix: what is wrong, where, what is allowed, what to do next.

    Shown without a traceback; `exit_code` is what the command returns (see docs/exit-codes.md).
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        allowed: str = "",
        next_step: str = "",
        exit_code: int = EXIT_BAD_INPUT,
    ) -> None:
        self.what = what
        self.where = where
        self.allowed = allowed
        self.next_step = next_step
        self.exit_code = exit_code
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """One line: `where: what (allowed: ...); next step`."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.allowed:
            text += f" (allowed: {self.allowed})"
        return f"{text}; {self.next_step}" if self.next_step else text
