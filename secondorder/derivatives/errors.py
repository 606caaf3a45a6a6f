"""What is refused is refused by name: file, line, construct, what to do."""


class Unsupported(NotImplementedError):
    """A construct that has no exact derivative here.

    Attributes
    ----------
    file, line : where the construct is
    construct : what it is, in words
    hint : what to do about it
    """

    def __init__(self, construct, hint="", file="", line=0, text=""):
        self.construct, self.hint, self.file, self.line = construct, hint, file, line
        where = f"{file}:{line}: " if file else ""
        shown = f" (in: {text.strip()})" if text else ""
        super().__init__(f"{where}{construct}{shown}" + (f". {hint}" if hint else ""))
