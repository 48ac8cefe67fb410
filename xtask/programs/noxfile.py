import nox


@nox.session(venv_backend="none")
def works(session):
    session.run("python", "work.py", "30000")
