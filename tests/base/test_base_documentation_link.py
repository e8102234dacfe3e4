"""Links of HTML diagrams: to the page of the class, and none without an address."""

import pytest
from sklearn.utils import estimator_html_repr

import skgw
from skgw.base import documentation_link
from skgw.base.documentation_link import documentation_address
from skgw.embedding import Adversary

ADDRESS = "https://pages.test/skgw/"


@pytest.fixture
def project_urls(monkeypatch):
    """Set the project's URLs in the metadata of the package."""

    def set_urls(*urls):
        found = type("Metadata", (), {"get_all": lambda self, name: list(urls)})()
        monkeypatch.setattr(documentation_link, "metadata", lambda name: found)
        documentation_address.cache_clear()

    yield set_urls
    documentation_address.cache_clear()


@pytest.mark.parametrize("kind", [skgw.GWMatcher, skgw.GWGenerativeEmbedding, skgw.AlignFlow])
def test_the_diagram_links_to_the_page_of_the_class(kind, project_urls):
    project_urls("Source, https://code.test", f"Documentation, {ADDRESS}")
    page = f"https://pages.test/skgw/generated/skgw.{kind.__name__}.html"
    assert page in estimator_html_repr(kind())


def test_a_part_is_listed_in_its_family(project_urls):
    project_urls(f"Documentation, {ADDRESS}")
    assert Adversary()._get_doc_link().endswith("generated/skgw.embedding.Adversary.html")


@pytest.mark.parametrize("urls", [(), ("Documentation, https://skgw.invalid",)])
def test_no_link_without_an_address(urls, project_urls):
    project_urls(*urls)
    assert skgw.GWMatcher()._get_doc_link() == ""
    assert "invalid" not in estimator_html_repr(skgw.GWMatcher())


def test_classes_of_a_user_have_no_link(project_urls):
    project_urls(f"Documentation, {ADDRESS}")
    assert type("Own", (skgw.GWMatcher,), {"__module__": "own"})()._get_doc_link() == ""
