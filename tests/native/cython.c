/* Functions as Cython makes them: it writes from which line of which file each statement comes. */

typedef void (*callback)(void);

#define NOT_INLINED __attribute__((noinline))

static volatile int done;

/* "cython.pyx":3
 * cdef work(back):
 */
NOT_INLINED static void __pyx_f_11libcython_c_work(callback back) {

    /* "cython.pyx":4
     *     back()             # <<<<<<<<<<<<<<
     */
    back();

    /* "cython.pyx":5
     *     done += 1             # <<<<<<<<<<<<<<
     */
    done++;
}

/* "cython.pyx":8
 * def Box.outer(self, back):
 */
NOT_INLINED static void __pyx_pf_11libcython_c_3Box_outer(callback back) {

    /* "cython.pyx":9
     *     work(back)             # <<<<<<<<<<<<<<
     */
    __pyx_f_11libcython_c_work(back);
    done++;
}

/* A way from Python's arguments to those of C, as there are some in each module. */
NOT_INLINED static void __Pyx_PyObject_Call_(callback back) {
    __pyx_pf_11libcython_c_3Box_outer(back);
    done++;
}

NOT_INLINED static void __pyx_pw_11libcython_c_3Box_1outer(callback back) {
    __Pyx_PyObject_Call_(back);
    done++;
}

NOT_INLINED void alpha_(callback back) {
    __pyx_pw_11libcython_c_3Box_1outer(back);
    done++;
}
