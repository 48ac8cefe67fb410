"""Exceptions that pass through frames, comprehensions, methods, calls back from C. Runs from 2.7 on."""

from telling import ready, rules


class Thing:
    def __init__(self):
        self.set(1)  #> set

    def set(self, value):
        self.value = value

    def __lt__(self, other):
        return self.value < other.value


def fail():
    raise KeyError("on purpose")


def pass_on():
    fail()  #> fail


def handle():
    pass


def catch():
    try:
        pass_on()  #> pass_on
    except KeyError:
        handle()  #> handle
    finally:
        handle()  #> handle


def item(number):
    return number


def build():
    numbers = [item(number) for number in range(3)]  #> <listcomp> item
    total = sum(item(number) for number in numbers)  #> <genexpr> item
    table = {item(number): 1 for number in numbers}  #> <dictcomp> item
    return total, table


def main():
    while True:
        catch()  #> catch
        build()  #> build
        sorted([Thing(), Thing()])  #> __init__ __lt__
        list(map(item, (1, 2)))  #> item


rules(__file__)
ready()
main()  #> main
