"""The pages of the app and what answers each address."""

from collections.abc import Callable, Collection
from functools import wraps

import duckdb
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from data.errors import RevealedError
from flows.app.guard import Guard
from flows.app.pages import base, finding, lists, one_customer, pictures
from flows.app.reading.edition import Edition, Shelf
from flows.app.reading.tables import ShopTables
from flows.app.rendering import Asked, style, write
from flows.app.told import ToldError, broken, no_such_page, unreadable
from flows.app.visit import Visit
from flows.reports.page.language import LANGUAGES, Language

Page = Callable[[Visit], Response]


def build(shelf: Shelf, tables: ShopTables, language: Language, hosts: Collection[str]) -> Starlette:
    """Build the app.

    Parameters
    ----------
    shelf : Shelf
        Gives the version that a request shows.
    tables : ShopTables
        For timelines.
    language : str
        Of the page that the address without a path leads to.
    hosts : collection of str
        Names that the app is opened as.
    """
    pages: dict[str, Page] = {
        "": base.base,
        "segments": base.segments,
        "cohorts": base.cohorts,
        "versions": base.versions,
        "customers": finding.customers,
        "customers.csv": finding.download,
        "customer": one_customer.customer,
        "lists": lists.lists,
        "lists.csv": lists.download,
        "picture/{version:int}/{name}.svg": pictures.picture,
    }
    begin = RedirectResponse(f"/{language}/")
    sheet = Response(style(), media_type="text/css", headers={"Cache-Control": "max-age=3600"})
    routes = [Route("/", _always(begin)), Route("/style.css", _always(sheet))]
    routes.append(Route("/favicon.ico", _always(Response(status_code=204))))
    routes += [Route(f"/{{language}}/{place}", _answering(page, place)) for place, page in pages.items()]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={404: _missing, Exception: _broken},
    )
    app.state.shelf, app.state.tables, app.state.default = shelf, tables, language
    return app


def _always(response: Response) -> Callable[[Request], Response]:
    def answer(_request: Request) -> Response:
        return response

    return answer


def _broken(request: Request, _error: Exception) -> Response:
    return _tell(_asked(request, ""), None, broken())


def _missing(request: Request, _error: Exception) -> Response:
    return _tell(_asked(request, ""), None, no_such_page())


def _asked(request: Request, place: str) -> Asked:
    named = request.path_params.get("language") or request.url.path.split("/")[1]
    default: Language = request.app.state.default
    language = next((each for each in LANGUAGES if each == named), default)
    return Asked(language, place, dict(request.query_params))


def _answering(page: Page, place: str) -> Callable[[Request], Response]:
    """Give a page one version of the scores, and tell in a sentence what it cannot show."""

    @wraps(page)
    def answer(request: Request) -> Response:
        asked, edition, state = _asked(request, place), None, request.app.state
        if request.path_params["language"] not in LANGUAGES:
            return _tell(asked, None, no_such_page())
        try:
            edition = state.shelf.current()
            return page(Visit(asked, edition, state.shelf, state.tables, request.path_params))
        except ToldError as error:
            return _tell(asked, edition, error)
        except RevealedError as error:
            return _tell(asked, edition, ToldError(503, "%(why)s", {"why": str(error)}))
        except duckdb.IOException as error:
            number = edition.number if edition else 0
            return _tell(asked, None, unreadable(number, str(error).splitlines()[0]))

    return answer


def _tell(asked: Asked, edition: Edition | None, error: ToldError) -> Response:
    told = error.told(asked.words.gettext)
    return HTMLResponse(write("told.html", asked, edition, told=told), error.status)
