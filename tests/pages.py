"""A page of documentation whose programs are run: what they print is what it shows."""

import contextlib
import io
import linecache
import pathlib
import re


class Page:
    """A Markdown file by its path from the root of the repository."""

    def __init__(self, path):
        self.path = pathlib.Path(__file__).parents[1] / path
        self.text = self.path.read_text(encoding="utf-8")

    def blocks(self, language):
        """[(text, line)] of the fenced blocks of a language, in order."""
        found = re.finditer(rf"^```{language}\n(.*?)^```", self.text, re.M | re.S)
        return [(match[1], self.text.count("\n", 0, match.start(1))) for match in found]

    def printed(self):
        """What the programs print, run in order in one namespace; each is a file, for their source to be read."""
        names, outputs = {"__name__": self.path.stem}, []
        for text, line in self.blocks("python"):
            out, file = io.StringIO(), f"<{self.path.name}, line {line}>"
            linecache.cache[file] = (len(text), None, text.splitlines(True), file)
            with contextlib.redirect_stdout(out):
                exec(compile(text, file, "exec"), names)
            outputs.append(out.getvalue())
        return outputs

    def rows(self, first):
        """The rows of the table whose first heading is `first`: lists of cells without backticks."""
        lines = self.text[self.text.index(f"| {first} |") :].split("\n\n")[0].splitlines()[2:]
        return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
