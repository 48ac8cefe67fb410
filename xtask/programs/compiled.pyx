def leaf(n):
    return n % 7


def calls(n):
    total = 0
    for i in range(n):
        total += python(leaf, i)
    return total


python = eval("lambda function, i: function(i)")
