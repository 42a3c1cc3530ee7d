"""A signed call, and what is read of its answer."""

from urllib.parse import parse_qs, urlsplit

PATH = "/api/v4/sso_url"

GOOD = {"product": "demoaws", "customer_account_code": "northwind"}

FIRST, SECOND = "https://demoaws.crm.example/oidc/callback", "https://demoaws.crm.example/second?x=1&y=2"

WRONG_METHODS = ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]

SPELLINGS = {
    "node": 'algorithm="{algorithm}",headers="{headers}",signature="{signature}",apiKey="{key}"',
    "python": 'algorithm="{algorithm}",headers="{headers}",signature="{signature}",apikey="{key}"',
    "spaces": 'algorithm="{algorithm}", headers="{headers}", signature="{signature}", apikey="{key}"',
    "upper case": 'ALGORITHM="{algorithm}",Headers="{headers}",SIGNATURE="{signature}",APIKEY="{key}"',
    "another order": ' apikey="{key}" , signature="{signature}" ,headers="{headers}",algorithm="{algorithm}", ',
    "without quotes": "algorithm={algorithm},headers={headers},signature={signature},apikey={key}",
}


def assert_refused(response, status: int, code: str, *, naming: str = "") -> None:
    """Exactly status, code and message."""
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    answer = response.json()
    assert answer.keys() == {"status", "code", "message"}, answer
    assert (response.status_code, answer["status"], answer["code"]) == (status, status, code), answer
    assert naming in answer["message"]
    assert not response.cookies
    assert "LicenseSignature" not in response.headers


def query_of(response) -> dict[str, str]:
    """What the address that was given out asks for."""
    assert response.status_code == 200, response.content
    query = parse_qs(urlsplit(response.json()["url"]).query, strict_parsing=True)
    assert all(len(values) == 1 for values in query.values())
    return {name: values[0] for name, values in query.items()}
