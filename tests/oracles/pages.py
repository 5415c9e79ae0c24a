"""Parser of a page, as a browser reads it: elements, scripts, texts and rows of tables."""

import json
from html.parser import HTMLParser

VOID = {"img", "input", "meta", "path", "circle", "use", "br", "wbr"}


class Page(HTMLParser):
    """Elements with their attributes, and the text of each script; a tag out of place raises."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements, self.scripts, self.text, self.open = [], {}, [], []
        self._rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self._rows.append([])
        elif tag in ("th", "td"):
            self._rows[-1].append("")

    def handle_startendtag(self, tag: str, attributes: list) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        if inside == "script":
            attributes = next(found for tag, found in reversed(self.elements) if tag == "script")
            self.scripts[attributes.get("id", f"code-{len(self.scripts)}")] = data
        elif inside != "style":
            self.text.append(data)
            if inside in ("th", "td"):
                self._rows[-1][-1] += data

    def json(self, name: str) -> object:
        """Content of a script of data."""
        return json.loads(self.scripts[name])

    def rows(self) -> list[list[str]]:
        """Rows of the tables that stand in the page, narrow spaces as spaces."""
        return [[cell.replace("\N{NARROW NO-BREAK SPACE}", " ") for cell in row]
                for row in self._rows]  # fmt: skip
