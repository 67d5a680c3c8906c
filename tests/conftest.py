"""Hypothesis profiles: `ci` repeats itself exactly and looks longer, `dev` looks somewhere else each time."""

import os

from hypothesis import HealthCheck, settings

# How long an example takes says more about the machine, and about coverage being measured, than about the code.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=200,
    derandomize=True,
    print_blob=True,
)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
