"""The entries of the reference, as Markdown, made from the objects themselves.

A third of the public names are made when a module is imported (operations from records, losses and metrics from
functions), so the source text alone does not know them.
"""

import importlib
import inspect
import posixpath
import re
from collections.abc import Sequence

from docstrings import markdown
from public import find, home_of, members_of, names_of, text_of_data

_WIDTH = 76
_DIRECTIVE = re.compile(r"^::: (foldnet[\w.]*)(?: (all|members|with|in) ?(.*))?$", re.MULTILINE)

_SINGLE = ("", "members", "with")
"""Directives about one name."""

Members = Sequence[tuple[str, object]]
Places = dict[int, tuple[str, str]]
"""By the identity of a class or function: the name that it is described under, and the page."""


def places(page: str, uri: str) -> Places:
    """What a page describes under single names."""
    paths = [path for path, which, _ in _DIRECTIVE.findall(page) if which in _SINGLE]
    return {id(find(path)): (path, uri) for path in paths if callable(find(path))}


def filled(page: str, uri: str, known: Places) -> str:
    """A page with entries in place of its directives.

    ``::: foldnet.freeze`` is one name, ``::: foldnet.Predictor members`` a class with all its methods,
    ``::: foldnet.Model with fit save`` with these. ``::: foldnet.losses all`` is every public name of a module, and
    ``::: foldnet.layers in pooling borders`` those which these of its modules define; both only link what is in
    ``known``, and leave out what has the same name there.
    """

    def entries(found: re.Match[str]) -> str:
        here = posixpath.dirname(uri)
        elsewhere = {key: (path, posixpath.relpath(there, here)) for key, (path, there) in known.items()}
        return _entries(found[1], found[2] or "", (found[3] or "").split(), elsewhere)

    return _DIRECTIVE.sub(entries, page)


def _entries(path: str, which: str, homes: list[str], elsewhere: Places) -> str:
    if which in _SINGLE:
        value = find(path)
        members = list(members_of(value)) if which != "" and isinstance(value, type) else []
        if which == "with":
            described = dict(members)
            members = [(name, described[name]) for name in homes]
        return _entry(path, value, 2, members=members)
    module = importlib.import_module(path)
    chosen = {name: getattr(module, name) for name in names_of(module)}
    chosen = {name: value for name, value in chosen.items() if not inspect.ismodule(value)}
    if which == "in":
        chosen = {name: value for name, value in chosen.items() if home_of(value) in homes}
    chosen = {n: value for n, value in chosen.items() if elsewhere.get(id(value), ("",))[0] != f"{path}.{n}"}
    if not chosen:
        raise LookupError(f"no public names: {path} {which} {' '.join(homes)}")
    return "\n\n".join(
        _reference(f"{path}.{names[0]}", elsewhere[id(value)])
        if id(value) in elsewhere
        else _entry(f"{path}.{names[0]}", value, 2, names[1:])
        for names, value in _with_aliases(chosen)
    )


def _reference(path: str, there: tuple[str, str]) -> str:
    named, page = there
    return f"## {path.rpartition('.')[2]} {{ #{path} }}\n\nThe same as [`{named}`]({page}#{named})."


def _with_aliases(chosen: dict[str, object]) -> list[tuple[list[str], object]]:
    """Names of the same class or function together, its own name first."""
    groups = list[tuple[list[str], object]]()
    for name, value in chosen.items():
        same = next((names for names, other in groups if other is value and callable(value)), None)
        if same is None:
            groups.append(([name], value))
        else:
            same.append(name)
    return [(_own_name_first(names, value), value) for names, value in groups]


def _own_name_first(names: list[str], value: object) -> list[str]:
    return sorted(names, key=lambda name: name != getattr(value, "__name__", ""))


def _entry(path: str, value: object, level: int, aliases: Sequence[str] = (), members: Members = ()) -> str:
    module, _, name = path.rpartition(".")
    lines = [f"{'#' * level} {name} {{ #{path} }}", ""]
    if aliases:
        anchors = "".join(f'<span id="{module}.{alias}"></span>' for alias in aliases)
        lines += [f"{anchors}Also: {', '.join(f'`{alias}`' for alias in aliases)}", ""]
    if callable(value) and not _is_type(value):
        lines += ["```python", _signature(path, value), "```", "", markdown(inspect.getdoc(value) or "")]
    elif isinstance(value, property):
        lines += [f"*property*{_result(value)}", "", markdown(inspect.getdoc(value) or "")]
    else:
        text = text_of_data(importlib.import_module(module), name)
        kind = "a type, for annotations" if _is_type(value) else f"`{type(value).__name__}`"
        lines += [f"*{kind}*" if _is_type(value) else kind, "", markdown(text)]
    lines += ["", *(_entry(f"{path}.{n}", v, level + 1) + "\n" for n, v in members)]
    return "\n".join(lines)


def _is_type(value: object) -> bool:
    """Whether this is an alias for annotations, such as ``Callable[..., Array]``."""
    return type(value).__module__ == "typing" or (hasattr(value, "__origin__") and not inspect.isclass(value))


def _result(value: property) -> str:
    annotation = inspect.signature(value.fget).return_annotation if value.fget else inspect.Signature.empty
    return "" if annotation is inspect.Signature.empty else f" `{_shown(annotation)}`"


def _shown(annotation: object) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _signature(path: str, value: object) -> str:
    """How it is called, in one line or with a line for each argument."""
    name = ".".join(path.split(".")[-2:] if path.split(".")[-2][0].isupper() else [path])
    try:
        signature = inspect.signature(value)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return f"{name}(...)"
    parameters = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    texts = list[str]()
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and "*" not in texts and not any(t.startswith("*") for t in texts):
            texts.append("*")
        texts.append(_parameter(p))
    result = ""
    if not inspect.isclass(value) and signature.return_annotation not in (
        signature.empty,
        "None",
        "Any",
        None,
    ):
        result = f" -> {_shown(signature.return_annotation)}"
    line = f"{name}({', '.join(texts)}){result}"
    if len(line) <= _WIDTH or not texts:
        return line
    return "\n".join([f"{name}(", *(f"    {text}," for text in texts), f"){result}"])


def _parameter(p: inspect.Parameter) -> str:
    stars = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
    annotation = "" if p.annotation is p.empty else _shown(p.annotation)
    annotation = "" if annotation == "Any" else annotation
    text = f"{stars}{p.name}" + (f": {annotation}" if annotation else "")
    if p.default is p.empty:
        return text
    default = getattr(p.default, "__qualname__", None) or repr(p.default)
    return f"{text} = {default}" if annotation else f"{text}={default}"
