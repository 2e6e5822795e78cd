/* Bound: a callable that takes nothing, and computes given arrays from given arrays.

   `attach` hands over the entry point and the arrays. A call then costs the arithmetic, and a look whether the arrays
   still are what they were: NumPy lets anyone resize an array or make it read-only, also while others hold it. If they are
   not, and before `attach`, and where the data has faults, `plain` is called, which computes the same or says what is
   wrong. fastcall.py beside it has the same in Python. */

#include "_fastcall.h"

/* Called without building a tuple of arguments. Python 3.11 has this, too, and gave it its names in 3.12. */
#ifndef Py_TPFLAGS_HAVE_VECTORCALL
#define Py_TPFLAGS_HAVE_VECTORCALL (1UL << 11)
#endif
#define COUNT(flagged) ((flagged) & ~((size_t)1 << (8 * sizeof(size_t) - 1)))
typedef PyObject *(*vectorcall_t)(PyObject *object, PyObject *const *args, size_t flagged, PyObject *names);

/* An array as it was when it was handed over. */
typedef struct {
  PyArrayObject *array;
  PyArray_Descr *dtype; /* kept alive: another dtype in its place is seen */
  int flags, rank;      /* flags that it must have */
  npy_intp shape[MAX_RANK + 1];
} port_t;

typedef struct {
  PyObject_HEAD
  vectorcall_t vectorcall;
  entry_t entry;
  PyObject *plain, *inputs, *outputs;  /* as given; outputs are what a call gives */
  PyObject *weights, *owner, *lengths; /* kept alive: see FastCall */
  const float *w;                      /* the memory of weights and lengths */
  const int64_t *n;
  int64_t rows, threads;
  int releases; /* whether other Python threads may run meanwhile */
  Py_ssize_t sources, count;
  port_t *ports; /* of what is read, then of what is written */
  void **places; /* of their memory */
} Bound;

static int is_as_it_was(const port_t *port, const void *place) {
  PyArrayObject *array = port->array;
  if (PyArray_DATA(array) != place || PyArray_DESCR(array) != port->dtype || PyArray_NDIM(array) != port->rank ||
      (PyArray_FLAGS(array) & port->flags) != port->flags)
    return 0;
  for (int k = 0; k < port->rank; k++)
    if (PyArray_DIM(array, k) != port->shape[k])
      return 0;
  return 1;
}

static int is_ready(const Bound *self) {
  for (Py_ssize_t k = 0; k < self->count; k++)
    if (!is_as_it_was(self->ports + k, self->places[k]))
      return 0;
  return self->entry != NULL;
}

static PyObject *bound_call(PyObject *object, PyObject *const *args, size_t flagged, PyObject *names) {
  Bound *self = (Bound *)object;
  (void)args;
  if (COUNT(flagged) || (names && PyTuple_Size(names))) {
    PyErr_SetString(PyExc_TypeError, "a bound call takes no arguments: it reads the arrays that it was bound to");
    return NULL;
  }
  if (is_ready(self)) {
    /* The caller holds this object, and it holds all that is used here until it goes. */
    const void *const *in = (const void *const *)self->places;
    void *const *out = self->places + self->sources;
    int64_t code;
    if (self->releases) {
      Py_BEGIN_ALLOW_THREADS;
      code = self->entry(in, out, self->w, self->rows, self->threads, self->n);
      Py_END_ALLOW_THREADS;
    } else {
      code = self->entry(in, out, self->w, self->rows, self->threads, self->n);
    }
    if (code == 0)
      return Py_NewRef(self->outputs);
  }
  return PyObject_CallNoArgs(self->plain);
}

/* The same, for callers that have a tuple and a dict. */
static PyObject *called(PyObject *object, PyObject *args, PyObject *kwargs) {
  const Py_ssize_t count = PyTuple_Size(args) + (kwargs ? PyDict_Size(kwargs) : 0);
  return bound_call(object, NULL, (size_t)count, NULL);
}

static PyObject *create(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  PyObject *plain, *inputs, *outputs;
  if (kwargs && PyDict_Size(kwargs)) {
    PyErr_SetString(PyExc_TypeError, "Bound takes no keyword arguments");
    return NULL;
  }
  if (!PyArg_ParseTuple(args, "OOO:Bound", &plain, &inputs, &outputs))
    return NULL;
  Bound *self = (Bound *)PyType_GenericNew(type, args, kwargs); /* all zeros */
  if (!self)
    return NULL;
  self->vectorcall = bound_call;
  self->plain = Py_NewRef(plain);
  self->inputs = Py_NewRef(inputs);
  self->outputs = Py_NewRef(outputs);
  return (PyObject *)self;
}

/* Remember the arrays of a tuple; 0 if one is none that compiled code can read or write. */
static int remember(Bound *self, PyObject *arrays, int flags) {
  for (Py_ssize_t k = 0; k < PyTuple_Size(arrays); k++) {
    PyObject *given = PyTuple_GetItem(arrays, k);
    PyArrayObject *array = (PyArrayObject *)given;
    if (!PyArray_Check(given) || (PyArray_TYPE(array) != NPY_FLOAT32 && PyArray_TYPE(array) != NPY_INT32) ||
        !PyArray_CHKFLAGS(array, flags) || !PyArray_ISNOTSWAPPED(array) || PyArray_NDIM(array) < 1 ||
        PyArray_NDIM(array) > MAX_RANK + 1 || PyArray_DIM(array, 0) != self->rows) {
      PyErr_SetString(PyExc_ValueError, "attach takes C-contiguous float32 or int32 arrays of the same number of rows");
      return 0;
    }
    port_t *port = self->ports + self->count;
    port->array = (PyArrayObject *)Py_NewRef(given);
    port->dtype = (PyArray_Descr *)Py_NewRef((PyObject *)PyArray_DESCR(array));
    port->flags = flags;
    port->rank = PyArray_NDIM(array);
    memcpy(port->shape, PyArray_DIMS(array), sizeof(npy_intp) * (size_t)port->rank);
    self->places[self->count++] = PyArray_DATA(array);
  }
  return 1;
}

PyDoc_STRVAR(attach_doc,
             "attach(address, weights, owner, sources, targets, rows, threads, releases, lengths)\n--\n\n"
             "Send calls straight to a compiled network; once only.\n\n"
             "Args:\n"
             "    address: of its foldnet_run.\n"
             "    weights: the C-contiguous float32 array that it reads.\n"
             "    owner: an object that keeps the code loaded.\n"
             "    sources: a tuple of C-contiguous float32 or int32 arrays to read, rows first.\n"
             "    targets: likewise, to write.\n"
             "    rows: of each of these arrays, at least 1.\n"
             "    threads: at most, for a large batch.\n"
             "    releases: whether calls release the interpreter lock.\n"
             "    lengths: of the free axes, as a C-contiguous int64 array; None if there are none.");

static PyObject *attach(Bound *self, PyObject *args) {
  unsigned long long address;
  long long rows, threads;
  int releases;
  PyObject *weights, *owner, *sources, *targets, *lengths;
  if (!PyArg_ParseTuple(args, "KOOO!O!LLpO:attach", &address, &weights, &owner, &PyTuple_Type, &sources, &PyTuple_Type,
                        &targets, &rows, &threads, &releases, &lengths))
    return NULL;
  if (!address || rows < 1 || self->ports) {
    PyErr_SetString(PyExc_ValueError, "attach takes the address of compiled code and 1 row or more, and works once");
    return NULL;
  }
  if (!are_constants(weights, lengths))
    return NULL;
  const size_t count = (size_t)(PyTuple_Size(sources) + PyTuple_Size(targets));
  self->ports = PyMem_Calloc(count, sizeof *self->ports);
  self->places = PyMem_Calloc(count, sizeof *self->places);
  if (!self->ports || !self->places)
    return PyErr_NoMemory();
  self->rows = rows;
  self->sources = PyTuple_Size(sources);
  if (!remember(self, sources, NPY_ARRAY_CARRAY_RO) || !remember(self, targets, NPY_ARRAY_CARRAY))
    return NULL;
  self->threads = threads;
  self->releases = releases;
  self->weights = Py_NewRef(weights);
  self->owner = Py_NewRef(owner);
  self->lengths = Py_NewRef(lengths);
  self->w = PyArray_DATA((PyArrayObject *)weights);
  self->n = pointer_of(lengths);
  self->entry = (entry_t)(uintptr_t)address;
  Py_RETURN_NONE;
}

static PyObject *described(Bound *self) {
  return PyUnicode_FromFormat("<Bound of %R>", self->plain);
}

static int traverse(Bound *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE((PyObject *)self));
  Py_VISIT(self->plain);
  Py_VISIT(self->inputs);
  Py_VISIT(self->outputs);
  Py_VISIT(self->weights);
  Py_VISIT(self->owner);
  Py_VISIT(self->lengths);
  for (Py_ssize_t k = 0; k < self->count; k++)
    Py_VISIT(self->ports[k].array);
  return 0;
}

static int clear(Bound *self) {
  self->entry = NULL;
  Py_CLEAR(self->inputs);
  Py_CLEAR(self->outputs);
  Py_CLEAR(self->weights);
  Py_CLEAR(self->owner);
  Py_CLEAR(self->lengths);
  while (self->count) {
    const port_t port = self->ports[--self->count];
    Py_DECREF(port.array);
    Py_DECREF(port.dtype);
  }
  return 0;
}

static void dealloc(Bound *self) {
  PyTypeObject *made_of = Py_TYPE((PyObject *)self);
  PyObject_GC_UnTrack(self);
  clear(self);
  Py_CLEAR(self->plain); /* not in clear: a call may still come from what goes at the same time */
  PyMem_Free(self->ports);
  PyMem_Free(self->places);
  PyObject_GC_Del(self);
  Py_DECREF(made_of);
}

static PyMethodDef methods[] = {
    {"attach", (PyCFunction)(void (*)(void))attach, METH_VARARGS, attach_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Bound, vectorcall), READONLY, NULL},
    {"plain", T_OBJECT, offsetof(Bound, plain), READONLY, "What serves calls that compiled code does not."},
    {"inputs", T_OBJECT, offsetof(Bound, inputs), READONLY, "The arrays that a call reads, in the order of the inputs."},
    {"outputs", T_OBJECT, offsetof(Bound, outputs), READONLY, "What a call writes and gives."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Bound(plain, inputs, outputs): a callable with its arrays.")},
    {Py_tp_new, create},
    {Py_tp_dealloc, dealloc},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_call, called},
    {Py_tp_repr, described},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {0, NULL},
};

static PyType_Spec type = {
    .name = "foldnet.predictor._fastcall.Bound",
    .basicsize = sizeof(Bound),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = slots,
};

PyObject *make_bound(void) {
  return PyType_FromSpec(&type);
}
