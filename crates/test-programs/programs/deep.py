"""Recursion, up and down all the time, or down to one depth and busy there: `deep.py [DEPTH]`. Runs from 2.7 on."""

import sys

from telling import ready, rules

sys.setrecursionlimit(100000)


def bottom():
    pass


def down(depth):
    if depth:
        down(depth - 1)  #> down
    bottom()  #> bottom


def waves():
    while True:
        for depth in range(0, 150, 7):
            down(depth)  #> down


def busy():
    while True:
        pass


def to(depth):
    if depth > 1:
        to(depth - 1)  #> to
    else:
        ready()
        busy()  #> busy


rules(__file__)
if len(sys.argv) > 1:
    to(int(sys.argv[1]))  #> to
else:
    ready()
    waves()  #> waves
