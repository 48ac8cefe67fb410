"""As `generators`, in the words of old versions: nothing delegates. Runs from 2.7 on."""

from telling import ready, rules


def leaf():
    pass


def inner():
    while True:
        leaf()  #> leaf
        yield 1


def looping():
    for number in inner():  #> inner
        yield number


def plain():
    while True:
        yield 2


def short():
    yield 3
    yield 4


def main():
    one, two, three = looping(), inner(), plain()  #> looping inner plain
    while True:
        next(one)  #> looping
        next(two)  #> inner
        next(three)  #> plain
        for _ in short():  #> short
            leaf()  #> leaf


rules(__file__)
ready()
main()  #> main
