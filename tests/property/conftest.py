"""How many examples hypothesis tries: a few, always the same, or with --hypothesis-profile=thorough many new ones."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "default",
    max_examples=25,
    derandomize=True,
    deadline=None,
    # A network takes long to make, and models that cannot be upgraded are left out.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.register_profile(
    "thorough", settings.get_profile("default"), max_examples=1000, derandomize=False, print_blob=True
)
settings.load_profile("default")
