"""Two greenlets with disjoint chains of calls, at one place of the C stack, which switch all the time: `greens.py greenlet|gevent|eventlet`."""

import sys

rounds = 400000 if sys.argv[1] == "greenlet" else 100000
done = []


def left_1():
    return left_2()


def left_2():
    return max([0], key=left_3)  # through C


def left_3(_):
    return left_4()


def left_4():
    for _ in range(rounds):
        pause_left()
    done.append("left")
    return 0


def right_1():
    return max([0], key=right_2)


def right_2(_):
    return right_3()


def right_3():
    return max([0], key=right_4)


def right_4(_):
    return right_5()


def right_5():
    for _ in range(rounds):
        pause_right()
    done.append("right")
    return 0


if sys.argv[1] == "greenlet":
    import greenlet

    main = greenlet.getcurrent()
    left, right = greenlet.greenlet(left_1), greenlet.greenlet(right_1)
    pause_left, pause_right = main.switch, main.switch
    left.switch()
    right.switch()
    pause_left, pause_right = right.switch, left.switch
    left.switch()
    right.switch()
elif sys.argv[1] == "gevent":
    import gevent

    pause_left = pause_right = lambda: gevent.sleep(0)
    gevent.joinall([gevent.spawn(left_1), gevent.spawn(right_1)])
else:
    import eventlet

    pause_left = pause_right = lambda: eventlet.sleep(0)
    [green.wait() for green in [eventlet.spawn(left_1), eventlet.spawn(right_1)]]
print(sorted(done))
