"""The entries of the reference, as Markdown, made from the objects themselves.

A third of the public names are made when a module is imported (operations from records, losses and metrics from
functions), so the source text alone does not know them.
"""

import importlib
import inspect
import re

from docstrings import markdown
from public import find, home_of, members_of, names_of, text_of_data

_WIDTH = 76
_DIRECTIVE = re.compile(r"^::: (foldnet[\w.]*)(?: (all|members|in) ?(.*))?$", re.MULTILINE)


def filled(page: str) -> str:
    """A page with entries in place of its directives.

    ``::: foldnet.freeze`` is one name, ``::: foldnet.Predictor members`` a class with its methods,
    ``::: foldnet.losses all`` every public name of a module, and ``::: foldnet.layers in pooling borders`` those
    which these of its modules define.
    """
    return _DIRECTIVE.sub(lambda found: _entries(found[1], found[2] or "", (found[3] or "").split()), page)


def _entries(path: str, which: str, homes: list[str]) -> str:
    if which in ("", "members"):
        return _entry(path, find(path), 2, members=which == "members")
    module = importlib.import_module(path)
    chosen = {name: getattr(module, name) for name in names_of(module)}
    chosen = {name: value for name, value in chosen.items() if not inspect.ismodule(value)}
    if which == "in":
        chosen = {name: value for name, value in chosen.items() if home_of(value) in homes}
    if not chosen:
        raise LookupError(f"no public names: {path} {which} {' '.join(homes)}")
    return "\n\n".join(
        _entry(f"{path}.{names[0]}", value, 2, names[1:]) for names, value in _with_aliases(chosen)
    )


def _with_aliases(chosen: dict[str, object]) -> list[tuple[list[str], object]]:
    """Names of the same class or function together, its own name first."""
    groups = list[tuple[list[str], object]]()
    for name, value in chosen.items():
        same = next((names for names, other in groups if other is value and callable(value)), None)
        if same is None:
            groups.append(([name], value))
        else:
            same.append(name)
    for names, value in groups:
        names.sort(key=lambda name, own=getattr(value, "__name__", ""): (name != own))
    return groups


def _entry(path: str, value: object, level: int, aliases: list[str] | None = None, members: bool = False) -> str:
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
    if members and isinstance(value, type):
        lines += ["", *(_entry(f"{path}.{n}", v, level + 1) + "\n" for n, v in members_of(value))]
    return "\n".join(lines)


def _is_type(value: object) -> bool:
    """Whether this is an alias for annotations, such as ``Callable[..., Array]``."""
    return not inspect.isclass(value) and hasattr(value, "__origin__") or value.__class__.__module__ == "typing"


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
    result = "" if inspect.isclass(value) or signature.return_annotation in (signature.empty, "None", None) else (
        f" -> {_shown(signature.return_annotation)}"
    )
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
