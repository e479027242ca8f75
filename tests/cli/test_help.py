"""Docs of the verbs' fields are their `--help`: a clause for each option."""

import ast
import inspect
import shlex

import pytest

from makeanagent import cli, read_options
from makeanagent.cli import convert, demo, evaluate, export, generate, record, train, web, zoo


def read_docs(module):
    """The doc of each field of the module's classes, or None."""
    docs = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for line, following in zip(node.body, [*node.body[1:], None], strict=True):
            if isinstance(line, ast.AnnAssign):
                value = following.value if isinstance(following, ast.Expr) else None
                docs[line.target.id] = value.value if isinstance(value, ast.Constant) else None
    return docs


@pytest.mark.parametrize(
    "module", [demo, record, convert, read_options, generate, evaluate, export, train, web]
)
def test_each_option_has_its_clause(module):
    docs = read_docs(module)
    assert len(docs) >= 5
    for name, doc in docs.items():
        assert doc, f"{name} has no doc"
        assert doc[0].isupper(), doc
        assert doc.endswith("."), doc
        # The parser keeps the line breaks of the source.
        assert "\n" not in doc, doc
        assert len(doc.split()) >= 4, f"{doc!r} is no clause"


VERBS = (
    demo.Demo, record.Record, convert.Convert, generate.Generate, evaluate.Evaluate,
    export.Export, train.Train, web.Web, zoo.Build, zoo.List, zoo.Show, zoo.Verify, zoo.Replay,
    zoo.Publish,
)  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_each_help_has_an_example_that_its_options_take(verb, monkeypatch, capsys):
    (line,) = [line for line in inspect.getdoc(verb).splitlines() if line.startswith("Example: ")]
    program, *words = shlex.split(line.removeprefix("Example: "))
    assert program == "make-an-agent"
    taken = []
    monkeypatch.setattr(verb, "run", lambda self: taken.append(self))
    assert cli.main(words) == 0
    assert isinstance(taken[0], verb)
    names = words[:2] if words[0] == "zoo" else words[:1]
    with pytest.raises(SystemExit):
        cli.main([*names, "--help"])
    assert line in capsys.readouterr().out
