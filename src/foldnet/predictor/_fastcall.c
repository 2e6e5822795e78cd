/* FastCall: a base class whose call goes straight to a compiled network when its argument is what the network reads.

   `attach` hands over the entry point. A call with one C-contiguous, aligned float32 array of the right shape then
   costs an allocation and the arithmetic, and with such an array as `out` the arithmetic. Anything else, and everything before `attach`, goes to the method `_call`,
   which converts, or explains what is wrong. The module is optional: fastcall.py beside it has the same in Python. */

#define IMPORTS_NUMPY
#include "_fastcall.h"

typedef struct {
  PyObject_HEAD
  entry_t entry;
  PyObject *weights; /* kept alive: the entry point reads its memory */
  PyObject *owner;   /* likewise: whatever keeps the code loaded */
  PyObject *lengths; /* likewise: the lengths of free axes, or None */
  int64_t threads;
  int64_t release_from; /* rows from which other Python threads may run meanwhile */
  int rank_in, rank_out;
  npy_intp row_in[MAX_RANK], row_out[MAX_RANK];
} FastCall;

static PyObject *name_call, *name_out;

static PyObject *slow(FastCall *self, PyObject *args, PyObject *kwargs) {
  return call_method((PyObject *)self, name_call, args, kwargs);
}

/* Whether an array has rows of this shape, and flags that let compiled code use it. */
static int fits(PyObject *object, int rank, const npy_intp *row, int flags) {
  if (!PyArray_CheckExact(object))
    return 0;
  PyArrayObject *x = (PyArrayObject *)object;
  if (PyArray_NDIM(x) != rank + 1 || PyArray_TYPE(x) != NPY_FLOAT32 || !PyArray_CHKFLAGS(x, flags) ||
      !PyArray_ISNOTSWAPPED(x))
    return 0;
  for (int i = 0; i < rank; i++)
    if (PyArray_DIM(x, i + 1) != row[i])
      return 0;
  return 1;
}

static int are_apart(PyArrayObject *x, PyArrayObject *y) {
  const char *a = PyArray_DATA(x), *b = PyArray_DATA(y);
  return a + PyArray_NBYTES(x) <= b || b + PyArray_NBYTES(y) <= a;
}

/* The array to write to: a new one, or the caller's; NULL if that does not suit, or with an exception set. */
static PyObject *result_for(const FastCall *self, PyArrayObject *x, PyObject *kwargs) {
  const Py_ssize_t named = kwargs ? PyDict_Size(kwargs) : 0;
  PyObject *given = named ? PyDict_GetItemWithError(kwargs, name_out) : Py_None;
  if (!given || named > 1)
    return NULL;
  if (given != Py_None) {
    PyArrayObject *y = (PyArrayObject *)given;
    const int suits = fits(given, self->rank_out, self->row_out, NPY_ARRAY_CARRAY) &&
                      PyArray_DIM(y, 0) == PyArray_DIM(x, 0) && are_apart(x, y);
    return suits ? Py_NewRef(given) : NULL;
  }
  npy_intp shape[MAX_RANK + 1];
  shape[0] = PyArray_DIM(x, 0);
  for (int i = 0; i < self->rank_out; i++)
    shape[i + 1] = self->row_out[i];
  return PyArray_SimpleNew(self->rank_out + 1, shape, NPY_FLOAT32);
}

static PyObject *fast_call(PyObject *object, PyObject *args, PyObject *kwargs) {
  FastCall *self = (FastCall *)object;
  if (!self->entry || PyTuple_Size(args) != 1)
    return slow(self, args, kwargs);
  PyObject *argument = PyTuple_GetItem(args, 0);
  if (!fits(argument, self->rank_in, self->row_in, NPY_ARRAY_CARRAY_RO))
    return slow(self, args, kwargs);
  PyArrayObject *x = (PyArrayObject *)argument;
  const npy_intp rows = PyArray_DIM(x, 0);
  PyObject *y = result_for(self, x, kwargs);
  if (!y)
    return PyErr_Occurred() ? NULL : slow(self, args, kwargs);
  if (rows == 0)
    return y;
  const void *in[1] = {PyArray_DATA(x)};
  void *out[1] = {PyArray_DATA((PyArrayObject *)y)};
  /* Held across the call: another thread may attach another program while this one computes. */
  PyObject *weights = Py_NewRef(self->weights), *owner = Py_NewRef(self->owner);
  PyObject *lengths = Py_NewRef(self->lengths);
  const entry_t entry = self->entry;
  const float *w = PyArray_DATA((PyArrayObject *)weights);
  const int64_t *n = pointer_of(lengths);
  const int64_t threads = self->threads;
  int64_t code;
  if (rows >= self->release_from) {
    Py_BEGIN_ALLOW_THREADS;
    code = entry(in, out, w, rows, threads, n);
    Py_END_ALLOW_THREADS;
  } else {
    code = entry(in, out, w, rows, threads, n);
  }
  Py_DECREF(weights);
  Py_DECREF(owner);
  Py_DECREF(lengths);
  if (code == 0)
    return y;
  Py_DECREF(y);
  return slow(self, args, kwargs); /* finds the same fault, and has words for it */
}

static int read_shape(PyObject *shape, npy_intp *row, int *rank) {
  if (!PyTuple_Check(shape) || PyTuple_Size(shape) > MAX_RANK) {
    PyErr_Format(PyExc_ValueError, "a row's shape is a tuple of at most %d sizes", MAX_RANK);
    return 0;
  }
  *rank = (int)PyTuple_Size(shape);
  for (int i = 0; i < *rank; i++) {
    row[i] = PyLong_AsSsize_t(PyTuple_GetItem(shape, i));
    if (row[i] == -1 && PyErr_Occurred())
      return 0;
  }
  return 1;
}

PyDoc_STRVAR(attach_doc,
             "attach(address, weights, owner, row_in, row_out, threads, release_from, lengths)\n--\n\n"
             "Send calls straight to a compiled network.\n\n"
             "Args:\n"
             "    address: of its foldnet_run.\n"
             "    weights: the C-contiguous float32 array that it reads.\n"
             "    owner: an object that keeps the code loaded.\n"
             "    row_in: shape of one row of the input.\n"
             "    row_out: shape of one row of the output.\n"
             "    threads: at most, for a large batch.\n"
             "    release_from: rows from which the interpreter lock is released.\n"
             "    lengths: of the free axes, as a C-contiguous int64 array; None if there are none.");

static PyObject *attach(FastCall *self, PyObject *args) {
  unsigned long long address;
  long long threads, release_from;
  PyObject *weights, *owner, *row_in, *row_out, *lengths;
  FastCall given;
  if (!PyArg_ParseTuple(args, "KOOOOLLO:attach", &address, &weights, &owner, &row_in, &row_out,
                        &threads, &release_from, &lengths))
    return NULL;
  if (!address) {
    PyErr_SetString(PyExc_ValueError, "attach takes the address of compiled code and a float32 array of weights");
    return NULL;
  }
  if (!are_constants(weights, lengths))
    return NULL;
  if (!read_shape(row_in, given.row_in, &given.rank_in) || !read_shape(row_out, given.row_out, &given.rank_out))
    return NULL;
  self->entry = (entry_t)(uintptr_t)address;
  self->threads = threads;
  self->release_from = release_from;
  self->rank_in = given.rank_in;
  self->rank_out = given.rank_out;
  memcpy(self->row_in, given.row_in, sizeof self->row_in);
  memcpy(self->row_out, given.row_out, sizeof self->row_out);
  /* All is in place before anything is let go: what then runs may call this object. */
  PyObject *const before[] = {self->weights, self->owner, self->lengths};
  self->weights = Py_NewRef(weights);
  self->owner = Py_NewRef(owner);
  self->lengths = Py_NewRef(lengths);
  for (int k = 0; k < 3; k++)
    Py_XDECREF(before[k]);
  Py_RETURN_NONE;
}

static int traverse(FastCall *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE((PyObject *)self));
  Py_VISIT(self->weights);
  Py_VISIT(self->owner);
  Py_VISIT(self->lengths);
  return 0;
}

static int clear(FastCall *self) {
  self->entry = NULL;
  Py_CLEAR(self->weights);
  Py_CLEAR(self->owner);
  Py_CLEAR(self->lengths);
  return 0;
}

static void dealloc(FastCall *self) {
  PyTypeObject *made_of = Py_TYPE((PyObject *)self);
  PyObject_GC_UnTrack(self);
  clear(self);
  PyObject_GC_Del(self);
  Py_DECREF(made_of);
}

static PyMethodDef methods[] = {
    {"attach", (PyCFunction)(void (*)(void))attach, METH_VARARGS, attach_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Base of a callable that compiled code serves; ``_call`` serves the rest.")},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, dealloc},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_call, fast_call},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec type = {
    .name = "foldnet.predictor._fastcall.FastCall",
    .basicsize = sizeof(FastCall),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "foldnet.predictor._fastcall", .m_doc = "The quick way into a compiled network.", .m_size = -1,
};

PyMODINIT_FUNC PyInit__fastcall(void) {
  import_array();
  name_call = PyUnicode_InternFromString("_call");
  name_out = PyUnicode_InternFromString("out");
  PyObject *made = PyModule_Create(&module), *fast = PyType_FromSpec(&type), *bound = make_bound();
  if (!name_call || !name_out || !made || !fast || !bound || PyModule_AddObjectRef(made, "FastCall", fast) < 0 ||
      PyModule_AddObjectRef(made, "Bound", bound) < 0)
    Py_CLEAR(made);
  Py_XDECREF(fast);
  Py_XDECREF(bound);
  return made;
}
