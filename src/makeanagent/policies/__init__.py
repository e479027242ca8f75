"""Policy networks: their spec, the codec of their flat vectors, and many of them at once."""

from makeanagent.policies.codec import flatten_policy, unflatten_policy
from makeanagent.policies.folder import load_policies, save_policies
from makeanagent.policies.policy import Policy
from makeanagent.policies.spec import PolicySpec

__all__ = [
    "Policy",
    "PolicySpec",
    "flatten_policy",
    "load_policies",
    "save_policies",
    "unflatten_policy",
]
