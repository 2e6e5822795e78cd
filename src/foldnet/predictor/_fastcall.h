/* What both ways into compiled code share: the entry point, and the one copy of NumPy's table of functions. */

/* Only what stays the same in every later Python: one build serves them all. */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <string.h>
#include <structmember.h>
#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL foldnet_fastcall_numpy
#ifndef IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#define MAX_RANK 8

typedef int64_t (*entry_t)(const void *const *in, void *const *out, const float *w, int64_t rows, int64_t threads,
                           const int64_t *lengths);

/* Whether these are the weights and lengths that compiled code reads; else an exception is set. */
static inline int are_constants(PyObject *weights, PyObject *lengths) {
  if (!PyArray_Check(weights) || PyArray_TYPE((PyArrayObject *)weights) != NPY_FLOAT32 ||
      !PyArray_ISCARRAY_RO((PyArrayObject *)weights)) {
    PyErr_SetString(PyExc_ValueError, "attach takes the address of compiled code and a float32 array of weights");
    return 0;
  }
  if (lengths != Py_None && !(PyArray_CheckExact(lengths) && PyArray_TYPE((PyArrayObject *)lengths) == NPY_INT64 &&
                              PyArray_ISCARRAY_RO((PyArrayObject *)lengths))) {
    PyErr_SetString(PyExc_ValueError, "lengths are None or an int64 array");
    return 0;
  }
  return 1;
}

/* The lengths as compiled code takes them. */
static inline const int64_t *pointer_of(PyObject *lengths) {
  return lengths == Py_None ? NULL : PyArray_DATA((PyArrayObject *)lengths);
}

/* A call of a Python method, for what does not go to compiled code. */
static inline PyObject *call_method(PyObject *self, PyObject *name, PyObject *args, PyObject *kwargs) {
  PyObject *method = PyObject_GetAttr(self, name);
  if (!method)
    return NULL;
  PyObject *result = PyObject_Call(method, args, kwargs);
  Py_DECREF(method);
  return result;
}

/* The type Bound, in _bound.c. */
PyObject *make_bound(void);
