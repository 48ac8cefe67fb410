"""Applications for servers. `/quit` ends the server: a worker asks its parent to."""

import os
import signal
import sys

from work import work


def answer(path):
    if path == "/quit":
        os.kill(os.getppid(), signal.SIGTERM)
    if path == "/leave":
        os._exit(0)
    return str(work(5)).encode()


def wsgi(environ, start_response):
    body = answer(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": answer(scope["path"])})


def flask():
    from flask import Flask

    app = Flask("web")
    app.add_url_rule("/", "index", lambda: answer("/"))
    app.add_url_rule("/leave", "leave", lambda: answer("/leave"))
    return app


def django():
    from django.conf import settings
    from django.core.management import execute_from_command_line
    from django.http import HttpResponse
    from django.urls import re_path

    respond = lambda request: HttpResponse(answer(request.path))
    settings.configure(DEBUG=True, ROOT_URLCONF=__name__, SECRET_KEY="none", ALLOWED_HOSTS=["*"])
    globals()["urlpatterns"] = [re_path("", respond)]
    execute_from_command_line(["manage.py", "runserver", "--skip-checks", sys.argv[1]])


if __name__ == "__main__":
    django()
