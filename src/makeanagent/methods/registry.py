"""All methods, in the order of tables: the generator's own ways, then its rivals."""

from makeanagent.errors import InputError
from makeanagent.methods.cloning import Cloning
from makeanagent.methods.gaussian import LatentGaussian
from makeanagent.methods.generated import Generated
from makeanagent.methods.method import Method, MethodConfig, PolicyGenerator, Sources
from makeanagent.methods.regression import Regression
from makeanagent.methods.retrieval import Retrieval
from makeanagent.methods.shuffled import Shuffled


def _clone_moved(sources: Sources, config: MethodConfig) -> PolicyGenerator:
    known = sources.generator.config
    translation = config.guidance.translation
    return Cloning(known.spec, config.cloning, space=known.space, translation=translation)


METHODS = (
    Method(
        name="unguided",
        label="generated, no guidance",
        build=lambda sources, config: Generated(sources.generator),
    ),
    Method(
        name="guided",
        label="generated, guided",
        build=lambda sources, config: Generated(sources.generator, config.guidance),
        settings=("guidance",),
    ),
    Method(
        name="cloning",
        label="behaviour cloning from scratch",
        build=lambda sources, config: Cloning(
            sources.generator.config.spec, config.cloning, space=sources.generator.config.space
        ),
        settings=("cloning",),
    ),
    Method(
        name="cloning_moved",
        label="behaviour cloning from scratch, with the moves of guidance",
        build=_clone_moved,
        settings=("cloning", "guidance"),
    ),
    Method(
        name="retrieval",
        label="nearest prompt's zoo policy",
        build=lambda sources, config: Retrieval(sources.generator, sources.require_bank()),
        needs_bank=True,
    ),
    Method(
        name="retrieval_noise",
        label="nearest prompt's zoo policy, plus noise",
        build=lambda sources, config: Retrieval(
            sources.generator, sources.require_bank(), noise=config.retrieval_noise
        ),
        settings=("retrieval_noise",),
        needs_bank=True,
    ),
    Method(
        name="average_2",
        label="average of the 2 nearest zoo policies",
        build=lambda sources, config: Retrieval(
            sources.generator, sources.require_bank(), num_averaged=2
        ),
        needs_bank=True,
    ),
    Method(
        name="average_16",
        label="average of the 16 nearest zoo policies",
        build=lambda sources, config: Retrieval(
            sources.generator, sources.require_bank(), num_averaged=16
        ),
        needs_bank=True,
    ),
    Method(
        name="gaussian",
        label="Gaussian of the nearest task, in latent space",
        build=lambda sources, config: LatentGaussian(sources.generator, sources.require_bank()),
        needs_bank=True,
    ),
    Method(
        name="regression",
        label="regression from prompt to latent",
        build=lambda sources, config: Regression.train(
            sources.generator, sources.require_bank(), config.regression, sources.seed
        ),
        settings=("regression",),
        needs_bank=True,
    ),
    Method(
        name="shuffled",
        label="generated, no guidance, another task's prompt",
        build=lambda sources, config: Shuffled(sources.generator, sources.strangers),
    ),
)


def find_method(name: str) -> Method:
    """The method of a name.

    Raises:
        InputError: there is none.
    """
    for method in METHODS:
        if method.name == name:
            return method
    accepted = ", ".join(method.name for method in METHODS)
    raise InputError(f"{name}: no such method; accepted are {accepted}")
