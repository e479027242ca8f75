"""Recipes by name: each is a module of this folder that defines `RECIPE`."""

from importlib import import_module

from makeanagent.errors import InputError
from makeanagent.zoo.recipes.recipe import Recipe

RECIPES = ("distillation", "sac")
"""A new recipe is a module and a name here; `cli/zoo.py` has its presets and options, and
`zoo/published_card.py` a few words on it."""


def check_recipe(name: object) -> None:
    """Refuse a name that no recipe has.

    Raises:
        InputError: it is one.
    """
    if name not in RECIPES:
        raise InputError(f"{name}: no such recipe; there are {', '.join(RECIPES)}")


def find_recipe(name: str) -> Recipe:
    """The recipe called `name`; only now is what it trains with imported.

    Raises:
        InputError: there is none.
    """
    check_recipe(name)
    recipe: Recipe = import_module(f"makeanagent.zoo.recipes.{name}").RECIPE
    return recipe
