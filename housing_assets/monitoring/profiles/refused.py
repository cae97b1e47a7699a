"""Why a stored profile cannot be used, or two of them cannot be put together."""


class ProfileRefused(ValueError):
    """A stored profile is damaged or of another schema, or two profiles do not describe the same thing."""


def require_same_categories(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """Refuse summaries of models that predict other categories, or the same in another order.

    Raises
    ------
    ProfileRefused
        Naming both.
    """
    if one != other:
        raise ProfileRefused(f"profiles of other categories: {', '.join(one)} against {', '.join(other)}")
