"""Links from scikit-learn's HTML diagrams to the pages of the API."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from sys import modules


@cache
def documentation_address() -> str:
    """Address of the documentation in the metadata of the installed package.

    `pyproject.toml` holds the address in one line, the project's URL *Documentation*.

    Returns
    -------
    str
        Empty for a package that is not installed, and for a placeholder: an address in the domain
        ``invalid``, which has no hosts.
    """
    try:
        urls = metadata("skgw").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    labelled = dict(url.split(", ", 1) for url in urls)
    address = labelled.get("Documentation", "").rstrip("/")
    return "" if address.endswith(".invalid") else address


class DocumentationLinkMixin:
    """Link of an estimator's HTML diagram to the page of its class.

    scikit-learn reads the three attributes. Without an address there is no link.
    """

    _doc_link_module = "skgw"

    @property
    def _doc_link_template(self) -> str:
        address = documentation_address()
        return address and address + "/generated/{estimator_module}.{estimator_name}.html"

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        """Public module and name of the class, as the API page lists it."""
        name, path = type(self).__name__, type(self).__module__.split(".")
        public = path[0] if hasattr(modules[path[0]], name) else ".".join(path[:2])
        return {"estimator_module": public, "estimator_name": name}
