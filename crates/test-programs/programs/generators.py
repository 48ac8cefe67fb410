"""Generators that are resumed in turn, by functions and by each other. Runs from 3.6 on."""

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


def delegating():
    yield from inner()  #> inner


def plain():
    while True:
        yield 2


def short():
    yield 3
    yield 4


def main():
    one, two, three = looping(), delegating(), plain()  #> looping delegating plain
    while True:
        next(one)  #> looping
        next(two)  #> delegating
        next(three)  #> plain
        for _ in short():  #> short
            leaf()  #> leaf


rules(__file__)
ready()
main()  #> main
