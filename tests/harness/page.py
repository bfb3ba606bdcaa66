"""HTML as it is written: whether every element is closed, and the colours of a style sheet."""

import html.parser
import re

VOID = {"meta", "br", "hr", "img", "input", "link", "area", "base", "col", "embed", "source", "track", "wbr"}


class Element:
    """Name, attributes, text of it and below, and what it stands in."""

    def __init__(self, name, attributes, parent):
        self.name, self.attributes, self.parent, self.text = name, attributes, parent, ""

    def within(self, name):
        above = self.parent
        while above is not None and above.name != name:
            above = above.parent
        return above


class Page(html.parser.HTMLParser):
    """Parses a whole document; anything that a browser would have to repair is an error."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.doctype = [], [], None
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open[-1].name}"
        ids = [element.attributes["id"] for element in self.elements if "id" in element.attributes]
        assert len(set(ids)) == len(ids), f"twice: {ids}"
        self.ids = set(ids)

    def handle_decl(self, decl):
        assert self.doctype is None and not self.elements
        self.doctype = decl

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), attrs
        assert all(value is not None for _, value in attrs), attrs
        element = Element(tag, dict(attrs), self.open[-1] if self.open else None)
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1].name == tag, f"</{tag}> in {[element.name for element in self.open]}"
        self.open.pop()

    def handle_startendtag(self, tag, attrs):
        raise AssertionError(f"<{tag}/>")

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    def unknown_decl(self, data):
        raise AssertionError(f"<![{data}")

    def handle_pi(self, data):
        raise AssertionError(f"<?{data}")

    def handle_data(self, data):
        for element in self.open:
            element.text += data

    def all(self, name, **attributes):
        return [element for element in self.elements if element.name == name
                and all(element.attributes.get(key.replace("_", "-")) == value for key, value in attributes.items())]

    def one(self, name, **attributes):
        [element] = self.all(name, **attributes)
        return element


def palettes(css):
    """The colours of each scheme, by their names; a later one changes some of the first."""
    blocks = [dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6});", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)]
    light, dark, paper = blocks
    return {"light": light, "dark": {**light, **dark}, "paper": {**light, **paper}}


def _luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at:at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """As WCAG 2 defines it, 1 to 21."""
    lower, higher = sorted((_luminance(one), _luminance(other)))
    return (higher + 0.05) / (lower + 0.05)
