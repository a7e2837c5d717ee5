"""Render a message for a channel: by the user's template, or where that has a fault, by the one that ships."""

import json
import re
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from common.core.caches import per_process
from common.core.settings import domains_dir
from common.notify.escapes import html
from common.notify.forms import FORMS, Form, TooLong
from common.notify.look import heading, look, small_print
from common.notify.message import Message, State, cut
from common.notify.redaction import redacted
from common.notify.samples import SAMPLES
from common.observe.log import logger

log = logger(__name__)
SHIPPED = Path(__file__).parent / "templates"
FOLDER = "notifications"  # beside the domains, for the user's
NOTHING = "-"  # channels refuse empty texts
LINK, LONGEST_LINK = re.compile(r"https?://[^\s<>|\"'\\]+"), 1_000
ROOMS = (4000, 3300, 2800, 2200, 1700, 1300, 1000, 700, 500, 350, 250, 150, 100, 60, 30)  # of characters for each text


def rendered(form: Form, message: Message) -> Any:
    """Return what a channel sends for a message, within its limits."""
    sound = _sound(message)
    if (overriding() / form.file).is_file():
        try:
            return _fitted(form, overriding(), sound)
        except Exception as fault:  # noqa: BLE001 - whatever is wrong with a user's template, the message is sent
            log.warning("template not used, the one that ships is", template=form.file, **_place(form, fault))
    return _fitted(form, SHIPPED, sound)


def overriding() -> Path:
    """Return the folder of the user's own templates."""
    return domains_dir() / FOLDER


def faults() -> list[str]:
    """List what is wrong with the user's own templates, by file and line."""
    if not overriding().is_dir():
        return []
    found = []
    for path in sorted(overriding().iterdir()):
        if path.name in FORMS:
            found += _faults_of(FORMS[path.name], path)
        elif path.suffix == ".j2":
            found.append(f"{path}: no channel has a template of this name. Known: {', '.join(FORMS)}.")
    return found


def _faults_of(form: Form, path: Path) -> list[str]:
    found: dict[str, None] = {}
    for sample in SAMPLES:
        try:
            _fitted(form, path.parent, _sound(sample))
        except Exception as fault:  # noqa: BLE001 - any is one
            place = _place(form, fault)
            found[f"{path}" + (f", line {place['line']}" if place["line"] else "") + f": {place['fault']}"] = None
    return list(found)


def _sound(message: Message) -> Message:
    """Return a message without secrets, and with no text that is too long or blank; a link is one, or a fact."""
    bounded = message.changed(redacted).bounded.changed(lambda text: text if text.strip() else "")
    link = bounded.link.strip()
    is_link = bool(LINK.fullmatch(link)) and len(html(link)) <= LONGEST_LINK
    facts = [(name or NOTHING, value or NOTHING) for name, value in bounded.facts]
    return replace(
        bounded,
        title=bounded.title or NOTHING,
        facts=(*facts, ("Link", link)) if link and not is_link else tuple(facts),
        link=link if is_link else "",
    )


def _fitted(form: Form, folder: Path, message: Message) -> Any:
    """Render a message with as much of its texts as its channel takes; raises what is wrong with the template."""
    template = _environment(folder, form.file).get_template(form.file)
    for room in ROOMS:
        try:
            return form.read(template.render(_values(message.within(room))))
        except TooLong as fault:
            too_long = fault
    raise too_long


def _values(message: Message) -> dict[str, Any]:
    """Return what templates know."""
    return {
        **message.json,
        **asdict(look(message)),
        "facts": message.facts,
        "link_label": "Read more" if message.state is State.REPORT else "Open the log",
        "heading": heading(message),
        "plain": replace(message, title=heading(message)).plain,
        "small_print": small_print(message),
    }


@per_process
def _environment(folder: Path, file: str) -> ImmutableSandboxedEnvironment:
    """Make what renders one template: it can reach nothing, and escapes each value unless a filter has."""
    form = FORMS[file]
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader([folder, SHIPPED]),
        autoescape=True,
        finalize=_finalize(form),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cut": cut, **form.filters}
    return environment


def _finalize(form: Form) -> Callable[[Any], Markup]:
    def escaped(value: Any) -> Markup:
        if isinstance(value, Markup):
            return value
        return Markup(form.quote(form.escape(str(value))))  # noqa: S704 - this is the escape

    return escaped


def _place(form: Form, fault: Exception) -> dict[str, Any]:
    """Say what is wrong with a template, and in which line of it, where that is known."""
    if isinstance(fault, TemplateSyntaxError):
        return {"line": fault.lineno, "fault": fault.message}
    lines = [at.lineno for at in traceback.extract_tb(fault.__traceback__) if Path(at.filename).name == form.file]
    if isinstance(fault, json.JSONDecodeError):
        return {"line": None, "fault": f"line {fault.lineno} of what it renders is no JSON: {fault.msg}"}
    kind = "" if isinstance(fault, TemplateError | ValueError) else f"{type(fault).__name__}: "
    return {"line": lines[-1] if lines else None, "fault": f"{kind}{fault}"}
