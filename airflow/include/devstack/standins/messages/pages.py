"""What arrived, as pages that a person can read: the frame of all of them, and markup that is safe to show."""

import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

from devstack.standins.messages.mailbox import Record
from devstack.standins.messages.service import Service

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
nav a { margin-right: 1rem }
article { border: 1px solid #ddd; border-left: 4px solid #36c5f0; border-radius: 6px }
article { padding: .6rem 1rem; margin: 1rem 0; overflow-wrap: anywhere }
article.attention { border-left-color: #c4314b } article.good { border-left-color: #13a10e }
article.warning { border-left-color: #d29200 }
small { color: #616061; display: block }
h3 { margin: .2rem 0 }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: .3rem 1rem }
.box { padding: .4rem .7rem; margin: .3rem 0; border-radius: 4px }
.box.emphasis { background: #f3f2f1 } .box.accent { background: #deecf9 } .box.good { background: #dff6dd }
.box.attention { background: #fde7e9 } .box.warning { background: #fff4ce }
.text.good { color: #13a10e } .text.attention { color: #c4314b } .text.warning { color: #a36a00 }
.text.accent { color: #0067b8 } .text.subtle { color: #616061 } .text.monospace { font-family: monospace }
div.text { white-space: pre-line; margin: .2rem 0 }
.bolder { font-weight: 600 } .small { font-size: .85em } .medium { font-size: 1.15em } .large { font-size: 1.35em }
.extralarge { font-size: 1.7em }
.columns { display: flex; gap: 1rem }
th { text-align: left; padding-right: 1rem; vertical-align: top; font-weight: 600; white-space: nowrap }
pre, code { background: #f8f8f8 }
pre { padding: .5rem; margin: .3rem 0; overflow: auto; white-space: pre-wrap }
iframe { width: 100%; height: 34rem; border: 1px solid #eee; resize: vertical }
a.button { display: inline-block; border: 1px solid #bbb; border-radius: 4px; padding: .1rem .7rem }
"""
ADDRESS = re.compile(r"https?://\S+", re.I)
MOST = 200
Marks = Sequence[tuple[re.Pattern[str], str]]


def text(value: object) -> str:
    """Show a value as text, whatever markup is in it."""
    return escape(str(value))


def marked(source: str, marks: Marks) -> str:
    """Turn a service's markup into HTML: its marks apply to escaped text, one after the other."""
    html = escape(source)
    for mark, replacement in marks:
        html = mark.sub(replacement, html)
    return html


def data(found: object) -> str:
    """Show what nothing else shows as what it is."""
    return f"<pre>{text(found)}</pre>"


def shown(write: Callable[[Any], str], found: Any) -> str:
    """Write a part of a message, or its data where it is not made as it should be."""
    try:
        return write(found)
    except (AttributeError, KeyError, TypeError):
        return data(found)


def link(address: object, title: str, style: str = "") -> str:
    """Write a link with an HTML title, which leads nowhere where its address is none of the web."""
    target = str(address) if ADDRESS.fullmatch(str(address)) else "#"
    return f'<a class="{style}" href="{escape(target)}" rel="noreferrer">{title}</a>'


def article(record: Record, to: object, body: str, style: str = "") -> str:
    """Write one message: who received it, when, and its body."""
    head = f"<small><b>{text(to)}</b> · {time(record)}</small>"
    return f'<article class="{style}">{head}{body}</article>'


def time(record: Record) -> str:
    """Write when a message was received, to the second."""
    return text(str(record["received"])[:19].replace("T", " ")) + " UTC"


def table(rows: Iterable[tuple[object, object]]) -> str:
    """Write names and values."""
    return f"<table>{''.join(f'<tr><th>{text(name)}<td>{text(value)}' for name, value in rows)}</table>"


def page(service: Service, services: Iterable[Service], messages: Sequence[Record]) -> str:
    """Write what a service received, the newest first and no more than a browser bears."""
    articles = service.articles(messages)
    body = "\n".join(reversed(articles[-MOST:])) or "<p>Nothing yet.</p>"
    links = "".join(link_to(one) for one in services)
    return _frame(f"{service.title} stand-in", f"<p>{len(messages)} message(s) received.</p>{body}", links)


def index(counts: Iterable[tuple[Service, int]]) -> str:
    """Write the way to each service's page, with how many messages it received."""
    items = "".join(f"<li>{link_to(service)}: {count} message(s)" for service, count in counts)
    return _frame("Messages that people would have received", f"<ul>{items}</ul>")


def link_to(service: Service) -> str:
    """Write a link to a service's page."""
    return f'<a href="/{service.name}">{service.title}</a>'


def _frame(title: str, body: str, links: str = "") -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="10">'
        f"<title>{title}</title><style>{STYLE}</style>"
        f'<nav><a href="/">All</a>{links}</nav><h1>{title}</h1>{body}</html>'
    )
