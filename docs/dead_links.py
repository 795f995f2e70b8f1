"""Hook of the site: once it is built, every link within it must lead to a file, and to the place that it names."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mkdocs.exceptions import PluginError


class Page(HTMLParser):
    """What a page links to, and the names that links to it may end in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """Collect the attributes of a tag."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.names.add(value)


def on_post_build(config: Any) -> None:
    """Refuse a site with a dead link; mkdocs itself looks at pages only, not at the files that it leaves out."""
    site = Path(config["site_dir"]).resolve()
    # The page for what is not found has links from the root of a server.
    pages = {path: Page(path.read_text("utf-8")) for path in site.rglob("*.html") if path.name != "404.html"}
    dead = [
        f"{path.name}: {link}" for path in pages for link in pages[path].links if _dead(path, link, pages)
    ]
    if dead:
        message = f"{len(dead)} links lead nowhere:\n" + "\n".join(dead)
        raise PluginError(message)


def _dead(path: Path, link: str, pages: dict[Path, Page]) -> bool:
    if re.match(r"[a-z]+:|//", link):
        return False
    file, _, name = unquote(link).partition("#")
    target = (path.parent / file).resolve() if file else path
    if target.is_dir():
        target /= "index.html"
    return not target.exists() or bool(name and target in pages and name not in pages[target].names)
