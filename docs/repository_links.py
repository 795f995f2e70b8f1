"""Hook of the site: files of the repository that pages link to are copied into it; links to folders become text."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(\.\./([^)#]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add what pages link to outside of docs/, under repository/."""
    texts = [Path(page.abs_src_path).read_text("utf-8") for page in files.documentation_pages()]
    for name in sorted({name for text in texts for name in LINK.findall(text)}):
        path = ROOT / name
        if path.is_file():
            copy = File.generated(config, f"repository/{_name(name)}", content=path.read_bytes())
            files.append(copy)
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links that leave docs/ lead to the copies."""
    markdown = re.sub(r"\[([^\]]*)\]\(\.\./([^)#]+)\)", _relinked, markdown)
    return markdown


def _relinked(found: re.Match[str]) -> str:
    text, name = found.groups()
    return f"[{text}](repository/{_name(name)})" if (ROOT / name).is_file() else text


def _name(name: str) -> str:
    """A Markdown file outside of docs/ is shown as it is, as its own links would lead nowhere."""
    return f"{name}.txt" if name.endswith(".md") else name
