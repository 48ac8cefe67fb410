def smallest(values, key):
    best = None
    for value in values:
        found = key(value)
        if best is None or found < best:
            best = found
    return best


cdef class Counter:
    cdef long count

    def add(self, values):
        for value in values:
            self.count += <long> weigh(value)
        return self.count


cdef double weigh(value):
    return sum([value, value * 2, abs(value)])
