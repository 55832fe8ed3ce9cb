"""Requests of HTTP as they are written, without a client's ideas of its own."""

import collections, http.client, json

Answer = collections.namedtuple("Answer", "status headers body")
TIMEOUT = 20


def ask(place, method, path, body=None, headers=None):
    """One request on a connection of its own; header names of the answer are in small letters."""
    connection = http.client.HTTPConnection(place, timeout=TIMEOUT)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def is_refusal(answer):
    """Whether the body has the shape in which the protocol refuses."""
    try:
        document = json.loads(answer.body)
    except ValueError:
        return False
    return isinstance(document, dict) and list(document) == ["error"] and isinstance(document["error"], str) \
        and document["error"] != "" and answer.headers.get("content-type", "").startswith("application/json")


def inference(rows, **members):
    """A request in JSON for rows of features."""
    return json.dumps({"inputs": [{"name": "features", "datatype": "FP32", "shape": list(rows.shape),
                                   "data": rows.ravel().tolist()}], **members})
