"""The page of the command line, made from the commands themselves."""

import inspect

import click

from foldnet.cli import main

_DIRECTIVE = "::: command line"


def filled(page: str) -> str:
    """A page with all commands in place of its directive."""
    return page.replace(_DIRECTIVE, _commands()) if _DIRECTIVE in page else page


def _commands() -> str:
    context = click.Context(main, info_name="foldnet")
    commands = [(name, main.get_command(context, name)) for name in main.list_commands(context)]
    return "\n\n".join(_command(name, command, context) for name, command in commands if command)


def _command(name: str, command: click.Command, parent: click.Context) -> str:
    context = click.Context(command, info_name=name, parent=parent)
    usage = command.get_usage(context).replace("Usage: ", "").split()
    lines = [f"## foldnet {name} {{ #{name} }}", "", "```text", " ".join(usage), "```", ""]
    lines += [_prose(command.help or ""), "", "**Options**", ""]
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option) and not parameter.hidden:
            lines.append(_option(parameter, context))
    if command.epilog:
        lines += ["", "**Examples**", "", "```sh", *_examples(command.epilog), "```"]
    return "\n".join(lines)


def _option(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    assert record is not None
    return f"`{record[0]}`\n:   {_escaped(record[1]) or 'No description.'}\n"


def _prose(text: str) -> str:
    """Paragraphs; those that keep their lines (after a line ``\\b``) become text as it is."""
    paragraphs = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        kept = paragraph.lstrip().startswith("\b")
        body = paragraph.replace("\b", "").strip("\n")
        paragraphs.append(f"```text\n{body}\n```" if kept else _escaped(body))
    return "\n\n".join(paragraphs)


def _examples(epilog: str) -> list[str]:
    lines = inspect.cleandoc(epilog.replace("\b", "").strip()).splitlines()
    return inspect.cleandoc("\n".join(["", *lines[lines.index("Examples:") + 1 :]])).splitlines()


def _escaped(text: str) -> str:
    for sign in "\\*_<>|[]":
        text = text.replace(sign, f"\\{sign}")
    return text
