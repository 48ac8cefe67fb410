"""Two call chains in turn, with leaves that take no time. Runs from 2.7 on."""

from telling import ready, rules


def leaf_a():
    pass


def leaf_b():
    pass


def hot_a():
    leaf_a()  #> leaf_a


def hot_b():
    leaf_b()  #> leaf_b


def main():
    while True:
        hot_a()  #> hot_a
        hot_b()  #> hot_b


rules(__file__)
ready()
main()  #> main
