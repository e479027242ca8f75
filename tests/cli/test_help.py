"""Docs of the verbs' fields are their `--help`: a clause for each option."""

import ast
import inspect

import pytest

from makeanagent.cli import demo, evaluate, export, generate, record, train


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


@pytest.mark.parametrize("module", [demo, record, generate, evaluate, export, train])
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
