/* The extension module behind `import sharedring`: the C client's endpoints as objects. Stable ABI of Python 3.11.
 *
 * Invariants:
 * - A message or claim is *out* while its endpoint's `out` points to it; only then its bytes may be exported. An endpoint does nothing that would end a loan
 * while exports are open.
 * - The GIL is released where the library may wait or work for long. `busy` is set meanwhile, and every other call of that endpoint is refused. An endpoint
 * that is being opened or ended is not in its object then.
 * - Reading arguments, iterating and asking for a buffer run the caller's code, which may close the endpoint or take a claim. So whether an endpoint is usable
 * is checked behind all of that, and no such code runs before the library is called.
 * - Making a list or a tuple may run the collector, and with it finalisers: `busy` is set where the library is called behind that.
 * - An exception is raised before a buffer is released: that, too, runs code, which may replace this thread's last failure.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <errno.h>
#include <string.h>

#include <sharedring.h>
#include <system/linux.h>

/* --- errors: an exception for each code ------------------------------------------------------------------------------------------------ */

static PyObject *base_error;
static PyObject *errors[-SHR_CALL_FAILED + 1];

static PyObject *raise_code(int code) {
    if (PyErr_Occurred()) return NULL; /* a signal handler's, of an interrupted wait */
    int system = shr_errno();          /* before objects are made: that may run the collector, and other calls of this thread with it */
    PyObject *type = code < 0 && code >= SHR_CALL_FAILED && errors[-code] ? errors[-code] : base_error;
    /* What a message quotes may be another process's bytes. */
    PyObject *text = PyUnicode_DecodeUTF8(shr_message(), (Py_ssize_t)strlen(shr_message()), "backslashreplace");
    PyObject *error = text ? PyObject_CallFunctionObjArgs(type, text, NULL) : NULL;
    Py_XDECREF(text);
    if (!error) return NULL;
    PyObject *number = system ? PyLong_FromLong(system) : Py_NewRef(Py_None);
    if (!number || PyObject_SetAttrString(error, "errno", number) < 0) PyErr_Clear();
    Py_XDECREF(number);
    PyErr_SetObject(type, error);
    Py_DECREF(error);
    return NULL;
}

static int add_error(PyObject *module, int code, const char *name, PyObject *second, const char *doc) {
    char full[64];
    PyOS_snprintf(full, sizeof full, "sharedring.%s", name);
    PyObject *bases = second ? PyTuple_Pack(2, base_error, second) : PyTuple_Pack(1, base_error);
    PyObject *namespace = Py_BuildValue("{s:s}", "code", shr_code_name(code));
    if (!bases || !namespace) return -1;
    PyObject *error = PyErr_NewExceptionWithDoc(full, doc, bases, namespace);
    Py_DECREF(bases);
    Py_DECREF(namespace);
    if (!error) return -1;
    errors[-code] = error;
    return PyModule_AddObjectRef(module, name, error);
}

static void refuse_inherited(const char *what) {
    PyErr_Format(errors[-SHR_FORKED], "this %s belongs to the parent of this forked process, and its bytes are not mapped here", what);
}

/* Python's own handlers run in the main thread, with the GIL. Not 0: one of them raised. `context` is where the object keeps its caller's state, which is of
 * the interpreter that waits. */
static int is_interrupted(void *context) {
    PyThreadState **saved = (PyThreadState **)context;
    uint32_t generation = sr_fork_generation();
    if (*saved) PyEval_RestoreThread(*saved);
    int raised = PyErr_CheckSignals();
    if (!raised && generation != sr_fork_generation()) { /* a handler forked, and this is the child: the words that the wait looks at are not mapped */
        refuse_inherited("endpoint");
        raised = -1;
    }
    if (*saved) *saved = PyEval_SaveThread();
    return raised;
}

/* A whole number of any type from 0 to `most`; what does not fit is not cut. */
static int unsigned_of(PyObject *object, unsigned long long most, unsigned long long *found) {
    PyObject *number = PyNumber_Index(object);
    if (!number) return 0;
    *found = PyLong_AsUnsignedLongLong(number);
    int is_large = PyErr_Occurred() != NULL;
    if (is_large || *found > most) {
        PyErr_Clear();
        PyErr_Format(PyExc_OverflowError, "a number from 0 to %llu is expected, not %R", most, number);
        is_large = 1;
    }
    Py_DECREF(number);
    return !is_large;
}

/* For PyArg_ParseTuple: of 32 bits, and of 64. */
static int u32_of(PyObject *object, void *place) {
    unsigned long long found;
    if (!unsigned_of(object, UINT32_MAX, &found)) return 0;
    *(uint32_t *)place = (uint32_t)found;
    return 1;
}
static int u64_of(PyObject *object, void *place) {
    unsigned long long found;
    if (!unsigned_of(object, UINT64_MAX, &found)) return 0;
    *(uint64_t *)place = found;
    return 1;
}

/* Seconds, or None for ever. */
static int timeout_of(PyObject *object, int64_t *timeout_ns) {
    *timeout_ns = SHR_FOREVER;
    if (!object || object == Py_None) return 0;
    double seconds = PyFloat_AsDouble(object);
    if (seconds == -1.0 && PyErr_Occurred()) return -1;
    if (!(seconds >= 0)) {
        PyErr_Format(PyExc_ValueError, "a timeout is a number of seconds from 0 on, or None, not %R", object);
        return -1;
    }
    *timeout_ns = seconds < 9e9 ? (int64_t)(seconds * 1e9) : SHR_FOREVER;
    if (*timeout_ns == 0 && seconds > 0) *timeout_ns = 1;
    return 0;
}

/* Seconds above 0, as nanoseconds. */
static int interval_of(double seconds, int64_t *interval_ns) {
    if (!(seconds > 0 && seconds < 1e6)) {
        PyObject *given = PyFloat_FromDouble(seconds);
        if (given) PyErr_Format(PyExc_ValueError, "the check interval is a number of seconds above 0 and below a million, not %R", given);
        Py_XDECREF(given);
        return -1;
    }
    *interval_ns = (int64_t)(seconds * 1e9);
    return 0;
}

/* A key as `keys` gives it: what is not UTF-8 is escaped. For PyArg_ParseTuple; the bytes are a new reference. */
static int key_of(PyObject *object, void *place) {
    PyObject **key = (PyObject **)place;
    if (!object) { /* another argument was refused */
        Py_CLEAR(*key);
        return 1;
    }
    char *text;
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "a key is a str, not %R", object);
        return 0;
    }
    *key = PyUnicode_AsEncodedString(object, "utf-8", "surrogateescape");
    /* Without a length it refuses a NUL. */
    if (*key && PyBytes_AsStringAndSize(*key, &text, NULL) == 0) return Py_CLEANUP_SUPPORTED;
    Py_CLEAR(*key);
    return 0;
}

/* A file name or a path: str, bytes or os.PathLike, whose bytes are taken as they are. None: there is none. For PyArg_ParseTuple; the bytes are a new
 * reference. */
static int path_of(PyObject *object, void *place) {
    if (object != Py_None) return PyUnicode_FSConverter(object, place);
    *(PyObject **)place = NULL;
    return 1;
}

static const char *path_text(PyObject *bytes) { return bytes ? PyBytes_AsString(bytes) : NULL; }

static PyObject *key_text(const char *key, size_t length) { return PyUnicode_DecodeUTF8(key, (Py_ssize_t)length, "surrogateescape"); }

static PyObject *refuse_use(const char *what, int is_busy) {
    PyErr_Format(is_busy ? PyExc_RuntimeError : errors[-SHR_CLOSED], is_busy ? "this %s waits in another thread" : "this %s is closed", what);
    return NULL;
}

/* --- rings -------------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD shr_ring *ring;
} RingObject;

static PyTypeObject *ring_type, *message_type, *claim_type;

static PyObject *ring_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"mode",
                            "name",
                            "descriptor",
                            "kind",
                            "directory",
                            "label",
                            "capacity",
                            "lanes",
                            "subscribers",
                            "entries",
                            "clients",
                            "servers",
                            "request_capacity",
                            "reply_capacity",
                            "record_alignment",
                            "permissions",
                            "total_order",
                            "keeps_time",
                            "barrier",
                            "owners",
                            "durable",
                            "accepts_unflushed",
                            "persistent",
                            "must_match",
                            NULL};
    const char *mode, *label = NULL;
    PyObject *name_bytes = NULL, *directory_bytes = NULL;
    int descriptor, kind;
    struct shr_options o;
    memset(&o, 0, sizeof o);
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sO&ii|O&zO&O&O&O&O&O&O&O&O&O&ppiipppp", names, &mode, path_of, &name_bytes, &descriptor, &kind, path_of,
                                     &directory_bytes, &label, u64_of, &o.capacity, u32_of, &o.lanes, u32_of, &o.subscribers, u32_of, &o.entries, u32_of,
                                     &o.clients, u32_of, &o.servers, u32_of, &o.request_capacity, u32_of, &o.reply_capacity, u32_of, &o.record_alignment,
                                     u32_of, &o.permissions, &o.total_order, &o.keeps_time, &o.barrier, &o.owners, &o.durable, &o.accepts_unflushed,
                                     &o.persistent, &o.must_match))
        return NULL;
    const char *name = path_text(name_bytes);
    o.directory = path_text(directory_bytes);
    o.label = label;
    RingObject *self = (RingObject *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!self) {
        Py_XDECREF(name_bytes);
        Py_XDECREF(directory_bytes);
        return NULL;
    }
    int code;
    shr_ring *made = NULL;
    Py_BEGIN_ALLOW_THREADS /* all its memory is allocated, on a disk perhaps */
    if (descriptor >= 0)
        code = shr_open_descriptor(descriptor, kind, &o, &made);
    else if (!name)
        code = shr_create_anonymous(kind, &o, &made);
    else if (strcmp(mode, "open") == 0)
        code = shr_open(name, kind, &o, &made);
    else if (strcmp(mode, "create") == 0)
        code = shr_create(name, kind, &o, &made);
    else
        code = shr_open_or_create(name, kind, &o, &made);
    Py_END_ALLOW_THREADS
    Py_XDECREF(name_bytes);
    Py_XDECREF(directory_bytes);
    self->ring = made;
    if (code < 0) {
        Py_DECREF(self);
        return raise_code(code);
    }
    return (PyObject *)self;
}

static void ring_dealloc(RingObject *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    shr_ring_close(self->ring);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *ring_facts(RingObject *self, PyObject *unused) {
    (void)unused;
    struct shr_facts f;
    shr_ring_facts(self->ring, &f);
    return Py_BuildValue("{s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:i,s:i,s:i,s:i,s:K,s:K,s:K,s:L,s:N}", "kind", f.kind, "lanes", f.lanes, "subscribers",
                         f.subscribers, "entries", f.entries, "clients", f.clients, "servers", f.servers, "request_capacity", f.request_capacity,
                         "reply_capacity", f.reply_capacity, "record_alignment", f.record_alignment, "total_order", f.total_order, "asymmetric", f.asymmetric,
                         "durable", f.durable, "keeps_time", f.keeps_time, "capacity", (unsigned long long)f.capacity, "largest_message",
                         (unsigned long long)f.largest_message, "total_size", (unsigned long long)f.total_size, "created_ns", (long long)f.created_ns, "label",
                         PyUnicode_DecodeUTF8(f.label, (Py_ssize_t)strlen(f.label), "replace"));
}

static PyObject *ring_descriptor(RingObject *self, PyObject *args) {
    int inheritable = 0;
    if (!PyArg_ParseTuple(args, "|p", &inheritable)) return NULL;
    int fd = shr_ring_descriptor(self->ring, inheritable);
    return fd < 0 ? raise_code(fd) : PyLong_FromLong(fd);
}

static PyObject *ring_add_entry(RingObject *self, PyObject *args) {
    PyObject *key = NULL;
    uint64_t capacity;
    if (!PyArg_ParseTuple(args, "O&O&", key_of, &key, u64_of, &capacity)) return NULL;
    int code;
    const char *text = PyBytes_AsString(key);
    Py_BEGIN_ALLOW_THREADS /* it waits while another process adds an entry */
    code = shr_board_add(self->ring, text, capacity);
    Py_END_ALLOW_THREADS
    Py_DECREF(key);
    if (code < 0) return raise_code(code);
    Py_RETURN_NONE;
}

static PyMethodDef ring_methods[] = {
    {"facts", (PyCFunction)ring_facts, METH_NOARGS, NULL},
    {"descriptor", (PyCFunction)ring_descriptor, METH_VARARGS, NULL},
    {"add_entry", (PyCFunction)ring_add_entry, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot ring_slots[] = {{Py_tp_new, ring_new}, {Py_tp_dealloc, ring_dealloc}, {Py_tp_methods, ring_methods}, {0, NULL}};
static PyType_Spec ring_spec = {"sharedring._sharedring.Ring", sizeof(RingObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, ring_slots};

static int endpoint_of(PyObject *args, PyObject *kwargs, RingObject **ring, struct shr_endpoint *e) {
    static char *names[] = {"ring",      "waiting", "manual",          "check_interval", "budget", "prefault",
                            "read_only", "ends",    "ends_since_made", "lossy",          "start",  NULL};
    double check_interval = 0.1;
    long long from = SHR_FROM_NOW;
    memset(e, 0, sizeof *e);
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!|ipdO&ppippL", names, ring_type, ring, &e->waiting, &e->manual, &check_interval, u32_of, &e->budget,
                                     &e->prefault, &e->read_only, &e->ends, &e->ends_since_made, &e->lossy, &from))
        return -1;
    if (interval_of(check_interval, &e->check_interval_ns) < 0) return -1;
    e->from = from;
    e->interrupted = is_interrupted;
    return 0;
}

/* --- producers ------------------------------------------------------------------------------------------------------------------------------- */

struct claim_object;

typedef struct {
    PyObject_HEAD shr_producer *producer;
    struct claim_object *out;
    int busy;
    PyThreadState *saved; /* of the caller that waits without the GIL */
} ProducerObject;

typedef struct claim_object {
    PyObject_HEAD ProducerObject *producer;
    void *place;
    Py_ssize_t size, exports;
    uint32_t tag, generation; /* generation: the place is mapped in the process that claimed it alone */
} ClaimObject;

static PyObject *producer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    RingObject *ring;
    struct shr_endpoint endpoint;
    if (endpoint_of(args, kwargs, &ring, &endpoint) < 0) return NULL;
    ProducerObject *self = (ProducerObject *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!self) return NULL;
    int code;
    shr_producer *made = NULL;
    endpoint.context = &self->saved;
    Py_BEGIN_ALLOW_THREADS /* it walks over what a dead one left, and waits while another process removes the ring */
    code = shr_producer_open(ring->ring, &endpoint, &made);
    Py_END_ALLOW_THREADS
    self->producer = made;
    if (code < 0) {
        Py_DECREF(self);
        return raise_code(code);
    }
    return (PyObject *)self;
}

static void producer_dealloc(ProducerObject *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    shr_producer_drop(self->producer);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

/* Whether it may be used now: it is open, no other thread waits with it, and no claim is out. */
static int producer_is_usable(ProducerObject *self) {
    if (!self->producer || self->busy) {
        refuse_use("producer", self->busy);
        return 0;
    }
    if (self->out) {
        PyErr_SetString(errors[-SHR_MISUSE], "a claim is open: commit it or abandon it first");
        return 0;
    }
    return 1;
}

/* Waits without the GIL, where the call that does not wait found no room. */
#define WITHOUT_GIL(self, call)                                                                                                                                \
    do {                                                                                                                                                       \
        (self)->busy = 1;                                                                                                                                      \
        (self)->saved = PyEval_SaveThread();                                                                                                                   \
        code = (call);                                                                                                                                         \
        PyEval_RestoreThread((self)->saved);                                                                                                                   \
        (self)->saved = NULL;                                                                                                                                  \
        (self)->busy = 0;                                                                                                                                      \
    } while (0)

/* (data, tag=0, timeout=None), as they came; timeout_ns NULL: the call has no timeout. */
static int send_arguments(PyObject *const *args, Py_ssize_t count, PyObject *names, PyObject **data, uint32_t *tag, int64_t *timeout_ns) {
    PyObject *found[3] = {count > 0 ? args[0] : NULL, count > 1 ? args[1] : NULL, count > 2 ? args[2] : NULL};
    Py_ssize_t named = names ? PyTuple_Size(names) : 0;
    if (count > (timeout_ns ? 3 : 2)) {
        PyErr_Format(PyExc_TypeError, "%s are expected, not %zd arguments", timeout_ns ? "data, tag and timeout" : "data and tag", count);
        return -1;
    }
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GetItem(names, i);
        int which = PyUnicode_CompareWithASCIIString(name, "data") == 0                    ? 0
                    : PyUnicode_CompareWithASCIIString(name, "tag") == 0                   ? 1
                    : timeout_ns && PyUnicode_CompareWithASCIIString(name, "timeout") == 0 ? 2
                                                                                           : -1;
        if (which < 0 || found[which]) {
            PyErr_Format(PyExc_TypeError, "unexpected argument %R", name);
            return -1;
        }
        found[which] = args[count + i];
    }
    if (!found[0]) {
        PyErr_SetString(PyExc_TypeError, "data is expected");
        return -1;
    }
    *data = found[0];
    *tag = 0;
    if (found[1] && !u32_of(found[1], tag)) return -1;
    return timeout_ns ? timeout_of(found[2], timeout_ns) : 0;
}

/* SHR_OK, SHR_EMPTY; negative: an exception is set. */
static int send_object(ProducerObject *self, PyObject *data, uint32_t tag, int64_t timeout_ns) {
    char *bytes;
    Py_ssize_t size;
    Py_buffer view;
    int code = -1, has_view = 0;
    if (PyBytes_Check(data)) { /* the common case, and the quickest */
        if (PyBytes_AsStringAndSize(data, &bytes, &size) < 0) return -1;
    } else {
        if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) return -1;
        has_view = 1;
        bytes = (char *)view.buf;
        size = view.len;
    }
    if (producer_is_usable(self)) {
        code = shr_try_send(self->producer, bytes, (size_t)size, tag);
        if (code == SHR_EMPTY && timeout_ns != 0) WITHOUT_GIL(self, shr_send(self->producer, bytes, (size_t)size, tag, timeout_ns));
        if (code < 0) raise_code(code);
    }
    if (has_view) PyBuffer_Release(&view);
    return code;
}

static PyObject *fail_timed_out(const char *what) {
    PyErr_SetString(errors[-SHR_TIMED_OUT], what);
    return NULL;
}

static PyObject *producer_send(ProducerObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *data;
    uint32_t tag;
    int64_t timeout_ns;
    if (send_arguments(args, count, names, &data, &tag, &timeout_ns) < 0) return NULL;
    int code = send_object(self, data, tag, timeout_ns);
    if (code < 0) return NULL;
    if (code == SHR_EMPTY) return fail_timed_out("no room in the ring");
    Py_RETURN_NONE;
}

static PyObject *producer_try_send(ProducerObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *data;
    uint32_t tag;
    if (send_arguments(args, count, names, &data, &tag, NULL) < 0) return NULL;
    int code = send_object(self, data, tag, 0);
    if (code < 0) return NULL;
    return PyBool_FromLong(code == SHR_OK);
}

/* The exception that ended send_many says how many were sent before. */
static void note_sent(Py_ssize_t sent) {
    PyObject *type, *error, *traceback, *number;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    number = PyLong_FromSsize_t(sent);
    if (!number || !error || PyObject_SetAttrString(error, "sent", number) < 0) PyErr_Clear(); /* an exception of the iterable's without room for it */
    Py_XDECREF(number);
    PyErr_Restore(type, error, traceback);
}

/* What is left of a time until then, in nanoseconds; 1 where it has passed. */
static int64_t left_until(int64_t end) {
    int64_t left = end - sr_now_ns();
    return left > 0 ? left : 1;
}

/* Each of an iterable, in batches: what is appended becomes visible at the end, or where there is no room for more. */
static PyObject *producer_send_many(ProducerObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *all, *data;
    uint32_t tag;
    int64_t timeout_ns;
    if (send_arguments(args, count, names, &all, &tag, &timeout_ns) < 0) return NULL;
    PyObject *iterator = PyObject_GetIter(all);
    if (!iterator) return NULL;
    if (!producer_is_usable(self)) {
        Py_DECREF(iterator);
        return NULL;
    }
    shr_batch batch;
    Py_ssize_t sent = 0;
    int code = SHR_OK;
    const int64_t end = timeout_ns > 0 ? sr_now_ns() + timeout_ns : 0; /* timeout_of gives no more than can be added to a time */
    shr_batch_begin(self->producer, &batch);
    self->busy = 1; /* the iterable's code must not use this producer meanwhile */
    while (code == SHR_OK && (data = PyIter_Next(iterator))) {
        Py_buffer view;
        if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) == 0) {
            code = shr_batch_try_append(&batch, view.buf, (size_t)view.len, tag);
            if (code == SHR_EMPTY && timeout_ns != 0) {
                WITHOUT_GIL(self, shr_batch_append(&batch, view.buf, (size_t)view.len, tag, timeout_ns > 0 ? left_until(end) : SHR_FOREVER));
                self->busy = 1;
            }
            if (code < 0) raise_code(code);
            PyBuffer_Release(&view);
            sent += code == SHR_OK;
        }
        Py_DECREF(data);
        if (PyErr_Occurred()) break;
        if (code == SHR_OK && (sent & 1023) == 0) { /* an iterable in C runs no code of Python's: signals and other threads have their turn here */
            if (PyErr_CheckSignals() < 0) break;
            Py_BEGIN_ALLOW_THREADS
            Py_END_ALLOW_THREADS
        }
    }
    Py_DECREF(iterator);
    int committed = shr_batch_commit(&batch);
    self->busy = 0;
    if (PyErr_Occurred()) {
        if (committed == SHR_OK) note_sent(sent);
        return NULL;
    }
    if (committed < 0) return raise_code(committed);
    return PyLong_FromSsize_t(sent);
}

static PyObject *producer_claim(ProducerObject *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"size", "tag", "timeout", NULL};
    Py_ssize_t size;
    uint32_t tag = 0;
    PyObject *timeout = Py_None;
    int64_t timeout_ns;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "n|O&O", names, &size, u32_of, &tag, &timeout) || timeout_of(timeout, &timeout_ns) < 0) return NULL;
    if (!producer_is_usable(self)) return NULL;
    if (size < 0) return PyErr_Format(PyExc_ValueError, "a claim has 0 bytes or more, not %zd", size);
    void *place;
    int code = shr_try_claim(self->producer, (size_t)size, &place);
    if (code == SHR_EMPTY && timeout_ns != 0) WITHOUT_GIL(self, shr_claim(self->producer, (size_t)size, &place, timeout_ns));
    if (code < 0) return raise_code(code);
    if (code == SHR_EMPTY) return fail_timed_out("no room in the ring");
    ClaimObject *claim = (ClaimObject *)((allocfunc)PyType_GetSlot(claim_type, Py_tp_alloc))(claim_type, 0);
    if (!claim) return NULL;
    claim->producer = (ProducerObject *)Py_NewRef((PyObject *)self);
    claim->place = place;
    claim->size = size;
    claim->tag = tag;
    claim->generation = sr_fork_generation();
    self->out = claim;
    return (PyObject *)claim;
}

static PyObject *producer_wait(ProducerObject *self, PyObject *args, int for_peers) {
    PyObject *timeout = Py_None;
    uint32_t count = 1;
    int64_t timeout_ns;
    if (!(for_peers ? PyArg_ParseTuple(args, "|O&O", u32_of, &count, &timeout) : PyArg_ParseTuple(args, "|O", &timeout)) ||
        timeout_of(timeout, &timeout_ns) < 0)
        return NULL;
    if (!producer_is_usable(self)) return NULL;
    int code;
    if (for_peers)
        WITHOUT_GIL(self, shr_wait_consumers(self->producer, count, timeout_ns));
    else
        WITHOUT_GIL(self, shr_wait_acknowledged(self->producer, timeout_ns));
    if (code < 0) return raise_code(code);
    if (code == SHR_EMPTY) return fail_timed_out("not yet");
    Py_RETURN_NONE;
}
static PyObject *producer_wait_acknowledged(ProducerObject *self, PyObject *args) { return producer_wait(self, args, 0); }
static PyObject *producer_wait_consumers(ProducerObject *self, PyObject *args) { return producer_wait(self, args, 1); }

static PyObject *producer_has_consumer(ProducerObject *self, PyObject *unused) {
    (void)unused;
    if (!producer_is_usable(self)) return NULL;
    return PyBool_FromLong(shr_has_consumer(self->producer));
}

static PyObject *producer_free_bytes(ProducerObject *self, PyObject *unused) {
    (void)unused;
    if (!producer_is_usable(self)) return NULL;
    return PyLong_FromUnsignedLongLong(shr_free_bytes(self->producer));
}

static PyObject *producer_cancel(ProducerObject *self, PyObject *args) {
    int cancelled = 1;
    if (!PyArg_ParseTuple(args, "|p", &cancelled)) return NULL;
    if (self->producer) shr_producer_cancel(self->producer, cancelled); /* from any thread, also while another waits */
    Py_RETURN_NONE;
}

static PyObject *producer_end(ProducerObject *self, int closes) {
    if (!self->producer) Py_RETURN_NONE;
    if (self->busy) return refuse_use("producer", 1);
    if (self->out && self->out->exports > 0) {
        PyErr_SetString(PyExc_BufferError, "a claim of this producer is exported: release its views first");
        return NULL;
    }
    if (self->out) self->out->place = NULL;
    self->out = NULL;
    shr_producer *producer = self->producer;
    self->producer = NULL;
    int code = SHR_OK;
    Py_BEGIN_ALLOW_THREADS
    if (closes)
        code = shr_producer_close(producer);
    else
        shr_producer_drop(producer);
    Py_END_ALLOW_THREADS
    if (code < 0) return raise_code(code);
    Py_RETURN_NONE;
}
static PyObject *producer_close(ProducerObject *self, PyObject *unused) {
    (void)unused;
    return producer_end(self, 1);
}
static PyObject *producer_drop(ProducerObject *self, PyObject *unused) {
    (void)unused;
    return producer_end(self, 0);
}

static PyMethodDef producer_methods[] = {
    {"send", (PyCFunction)(void (*)(void))producer_send, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"try_send", (PyCFunction)(void (*)(void))producer_try_send, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"send_many", (PyCFunction)(void (*)(void))producer_send_many, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"claim", (PyCFunction)(void (*)(void))producer_claim, METH_VARARGS | METH_KEYWORDS, NULL},
    {"wait_acknowledged", (PyCFunction)producer_wait_acknowledged, METH_VARARGS, NULL},
    {"wait_consumers", (PyCFunction)producer_wait_consumers, METH_VARARGS, NULL},
    {"has_consumer", (PyCFunction)producer_has_consumer, METH_NOARGS, NULL},
    {"free_bytes", (PyCFunction)producer_free_bytes, METH_NOARGS, NULL},
    {"cancel", (PyCFunction)producer_cancel, METH_VARARGS, NULL},
    {"close", (PyCFunction)producer_close, METH_NOARGS, NULL},
    {"drop", (PyCFunction)producer_drop, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot producer_slots[] = {{Py_tp_new, producer_new}, {Py_tp_dealloc, producer_dealloc}, {Py_tp_methods, producer_methods}, {0, NULL}};
static PyType_Spec producer_spec = {"sharedring._sharedring.Producer", sizeof(ProducerObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, producer_slots};

/* --- claims -------------------------------------------------------------------------------------------------------------------------------------- */

static int claim_is_out(ClaimObject *self) { return self->place && self->producer->out == self; }

static int claim_getbuffer(ClaimObject *self, Py_buffer *view, int flags) {
    if (self->generation != sr_fork_generation()) {
        refuse_inherited("claim");
        view->obj = NULL;
        return -1;
    }
    if (!claim_is_out(self)) {
        PyErr_SetString(PyExc_BufferError, "this claim was committed or abandoned");
        view->obj = NULL;
        return -1;
    }
    if (PyBuffer_FillInfo(view, (PyObject *)self, self->place, self->size, 0, flags) < 0) return -1;
    self->exports++;
    return 0;
}

static void claim_releasebuffer(ClaimObject *self, Py_buffer *view) {
    (void)view;
    self->exports--;
}

static int claim_may_end(ClaimObject *self) {
    if (!claim_is_out(self)) {
        PyErr_SetString(errors[-SHR_MISUSE], "this claim was committed or abandoned");
        return 0;
    }
    if (self->exports > 0) {
        PyErr_SetString(PyExc_BufferError, "this claim is exported: release its views first");
        return 0;
    }
    return 1;
}

static PyObject *claim_commit(ClaimObject *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"size", "tag", NULL};
    Py_ssize_t size = self->size;
    uint32_t tag = self->tag;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|nO&", names, &size, u32_of, &tag) || !claim_may_end(self)) return NULL;
    if (size < 0) return PyErr_Format(PyExc_ValueError, "a message has 0 bytes or more, not %zd", size);
    int code = shr_commit(self->producer->producer, (size_t)size, tag);
    if (code < 0) return raise_code(code);
    self->producer->out = NULL;
    self->place = NULL;
    Py_RETURN_NONE;
}

static PyObject *claim_abandon(ClaimObject *self, PyObject *unused) {
    (void)unused;
    if (!claim_is_out(self)) Py_RETURN_NONE;
    if (!claim_may_end(self)) return NULL;
    self->producer->out = NULL;
    self->place = NULL;
    Py_RETURN_NONE;
}

static PyObject *claim_enter(PyObject *self, PyObject *unused) {
    (void)unused;
    return Py_NewRef(self);
}

static PyObject *claim_exit(ClaimObject *self, PyObject *args) {
    PyObject *type, *value, *traceback;
    if (!PyArg_ParseTuple(args, "OOO", &type, &value, &traceback)) return NULL;
    if (!claim_is_out(self)) Py_RETURN_NONE;
    if (type != Py_None) {
        if (self->exports > 0) Py_RETURN_NONE; /* the exception's frames hold a view; it is not replaced, and the claim ends with its last view */
        return claim_abandon(self, NULL);
    }
    PyObject *none = PyTuple_New(0), *result = none ? claim_commit(self, none, NULL) : NULL;
    Py_XDECREF(none);
    return result;
}

static Py_ssize_t claim_length(ClaimObject *self) { return self->size; }

static void claim_dealloc(ClaimObject *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    if (self->producer && self->producer->out == self) self->producer->out = NULL;
    Py_XDECREF((PyObject *)self->producer);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef claim_methods[] = {
    {"commit", (PyCFunction)(void (*)(void))claim_commit, METH_VARARGS | METH_KEYWORDS, NULL},
    {"abandon", (PyCFunction)claim_abandon, METH_NOARGS, NULL},
    {"__enter__", claim_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)claim_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot claim_slots[] = {{Py_tp_dealloc, claim_dealloc},     {Py_tp_methods, claim_methods},
                                    {Py_bf_getbuffer, claim_getbuffer}, {Py_bf_releasebuffer, claim_releasebuffer},
                                    {Py_sq_length, claim_length},       {0, NULL}};
static PyType_Spec claim_spec = {"sharedring.Claim", sizeof(ClaimObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, claim_slots};

/* --- consumers ---------------------------------------------------------------------------------------------------------------------------------------- */

struct message_object;

typedef struct {
    PyObject_HEAD shr_consumer *consumer;
    struct message_object *out;
    PyObject *kept[3]; /* the exception that `drain` met behind messages: type, value, traceback; the next call that looks for messages raises it */
    int busy, ended;
    PyThreadState *saved; /* as in ProducerObject */
} ConsumerObject;

typedef struct message_object {
    PyObject_HEAD ConsumerObject *consumer;
    shr_msg message;
    Py_ssize_t exports;
    uint32_t generation; /* its bytes are mapped in the process that received it alone */
} MessageObject;

static PyObject *consumer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    RingObject *ring;
    struct shr_endpoint endpoint;
    if (endpoint_of(args, kwargs, &ring, &endpoint) < 0) return NULL;
    ConsumerObject *self = (ConsumerObject *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!self) return NULL;
    int code;
    shr_consumer *made = NULL;
    endpoint.context = &self->saved;
    Py_BEGIN_ALLOW_THREADS /* as of a producer */
    code = shr_consumer_open(ring->ring, &endpoint, &made);
    Py_END_ALLOW_THREADS
    self->consumer = made;
    if (code < 0) {
        Py_DECREF(self);
        return raise_code(code);
    }
    return (PyObject *)self;
}

static void forget_kept(ConsumerObject *self) {
    for (int i = 0; i < 3; i++) Py_CLEAR(self->kept[i]);
}

/* What ended the last `drain`: it was reported to that call, and will not be reported again. */
static int raises_kept(ConsumerObject *self) {
    if (!self->kept[0]) return 0;
    PyErr_Restore(self->kept[0], self->kept[1], self->kept[2]); /* which takes the references */
    self->kept[0] = self->kept[1] = self->kept[2] = NULL;
    return 1;
}

static void consumer_dealloc(ConsumerObject *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    forget_kept(self);
    shr_consumer_drop(self->consumer);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

/* Whether it may be used now: it is open, no other thread waits with it, and no view of the message that is out is open. That message is not out any more then.
 */
static int consumer_is_usable(ConsumerObject *self) {
    if (!self->consumer || self->busy) {
        refuse_use("consumer", self->busy);
        return 0;
    }
    if (self->out) {
        if (self->out->exports > 0) {
            PyErr_SetString(PyExc_BufferError, "the last message is exported: release its memoryviews and arrays first");
            return 0;
        }
        self->out->message.bytes = NULL;
        self->out = NULL;
    }
    return 1;
}

/* SHR_OK, SHR_EMPTY, SHR_ENDED; negative: an exception is set. */
static int receive(ConsumerObject *self, shr_msg *message, int64_t timeout_ns) {
    if (!consumer_is_usable(self) || raises_kept(self)) return -1;
    int code = shr_poll(self->consumer, message);
    if (code == SHR_EMPTY && timeout_ns != 0) WITHOUT_GIL(self, shr_receive(self->consumer, message, timeout_ns));
    if (code < 0) {
        raise_code(code);
        return -1;
    }
    self->ended = code == SHR_ENDED;
    return code;
}

static PyObject *message_of(ConsumerObject *self, const shr_msg *message) {
    MessageObject *made = (MessageObject *)((allocfunc)PyType_GetSlot(message_type, Py_tp_alloc))(message_type, 0);
    if (!made) {
        shr_put_back(self->consumer);
        return NULL;
    }
    made->consumer = (ConsumerObject *)Py_NewRef((PyObject *)self);
    made->message = *message;
    made->generation = sr_fork_generation();
    self->out = made;
    return (PyObject *)made;
}

static PyObject *bytes_of(ConsumerObject *self, const shr_msg *message) {
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)message->bytes, (Py_ssize_t)message->count);
    if (!bytes) shr_put_back(self->consumer);
    return bytes;
}

static int timeout_argument(PyObject *const *args, Py_ssize_t count, PyObject *names, int64_t *timeout_ns) {
    Py_ssize_t named = names ? PyTuple_Size(names) : 0;
    if (count + named > 1 || (named == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GetItem(names, 0), "timeout") != 0)) {
        PyErr_SetString(PyExc_TypeError, "only timeout is expected");
        return -1;
    }
    return timeout_of(count + named == 1 ? args[0] : NULL, timeout_ns);
}

static PyObject *consumer_receive(ConsumerObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    int64_t timeout_ns;
    shr_msg message;
    if (timeout_argument(args, count, names, &timeout_ns) < 0) return NULL;
    int code = receive(self, &message, timeout_ns);
    if (code == SHR_OK) return message_of(self, &message);
    if (code == SHR_EMPTY) return fail_timed_out("no message is there");
    return code < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *consumer_receive_bytes(ConsumerObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    int64_t timeout_ns = SHR_FOREVER;
    shr_msg message;
    if ((count > 0 || names) && timeout_argument(args, count, names, &timeout_ns) < 0) return NULL;
    int code = receive(self, &message, timeout_ns);
    if (code == SHR_OK) return bytes_of(self, &message);
    if (code == SHR_EMPTY) return fail_timed_out("no message is there");
    return code < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *consumer_poll(ConsumerObject *self, PyObject *unused) {
    (void)unused;
    shr_msg message;
    int code = receive(self, &message, 0);
    if (code == SHR_OK) return message_of(self, &message);
    return code < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *consumer_drain(ConsumerObject *self, PyObject *args) {
    Py_ssize_t limit = 4096;
    shr_msg message;
    if (!PyArg_ParseTuple(args, "|n", &limit)) return NULL;
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list && i < limit; i++) {
        int code = receive(self, &message, 0);
        if (code == SHR_OK) {
            PyObject *bytes = bytes_of(self, &message);
            if (bytes && PyList_Append(list, bytes) < 0) {
                if (self->consumer) shr_put_back(self->consumer);
                Py_CLEAR(bytes);
            }
            if (!bytes) code = -1;
            Py_XDECREF(bytes);
        }
        if (code == SHR_OK) continue;
        /* Neither what was taken before a failure is lost nor the failure, which may be one that is reported once. */
        if (code < 0 && i > 0)
            PyErr_Fetch(&self->kept[0], &self->kept[1], &self->kept[2]);
        else if (code < 0)
            Py_CLEAR(list);
        break;
    }
    return list;
}

static PyObject *consumer_next(ConsumerObject *self) {
    shr_msg message;
    int code = receive(self, &message, SHR_FOREVER);
    return code == SHR_OK ? message_of(self, &message) : NULL; /* without an exception: the iteration ends */
}

static PyObject *consumer_iter(PyObject *self) { return Py_NewRef(self); }

static PyObject *consumer_release(ConsumerObject *self, PyObject *unused) {
    (void)unused;
    if (!consumer_is_usable(self)) return NULL;
    shr_release(self->consumer);
    Py_RETURN_NONE;
}

static PyObject *consumer_put_back(ConsumerObject *self, PyObject *unused) {
    (void)unused;
    if (!consumer_is_usable(self)) return NULL;
    shr_put_back(self->consumer);
    Py_RETURN_NONE;
}

static PyObject *consumer_acknowledge(ConsumerObject *self, PyObject *unused) {
    (void)unused;
    if (!consumer_is_usable(self)) return NULL;
    int code = shr_acknowledge(self->consumer);
    if (code < 0) return raise_code(code);
    Py_RETURN_NONE;
}

static PyObject *consumer_wait_producer(ConsumerObject *self, PyObject *args) {
    PyObject *timeout = Py_None;
    int64_t timeout_ns;
    int code;
    if (!PyArg_ParseTuple(args, "|O", &timeout) || timeout_of(timeout, &timeout_ns) < 0 || !consumer_is_usable(self)) return NULL;
    WITHOUT_GIL(self, shr_wait_producer(self->consumer, timeout_ns));
    if (code < 0) return raise_code(code);
    if (code == SHR_EMPTY) return fail_timed_out("no producer is attached");
    Py_RETURN_NONE;
}

static PyObject *consumer_has_producer(ConsumerObject *self, PyObject *unused) {
    (void)unused;
    if (!self->consumer) return refuse_use("consumer", 0);
    return PyBool_FromLong(shr_has_producer(self->consumer));
}

static PyObject *consumer_remove_if_unused(ConsumerObject *self, PyObject *unused) {
    (void)unused;
    if (!consumer_is_usable(self)) return NULL;
    int code;
    WITHOUT_GIL(self, shr_remove_if_unused(self->consumer));
    return code < 0 ? raise_code(code) : PyBool_FromLong(code);
}

static PyObject *consumer_ends(ConsumerObject *self, PyObject *unused) {
    (void)unused;
    struct shr_end_counts ends;
    if (!self->consumer) return refuse_use("consumer", 0);
    shr_ends(self->consumer, &ends);
    return Py_BuildValue("(KK)", (unsigned long long)ends.closed, (unsigned long long)ends.died);
}

static PyObject *consumer_next_end(ConsumerObject *self, PyObject *unused) {
    (void)unused;
    struct shr_end end;
    if (!self->consumer || self->busy) return refuse_use("consumer", self->busy);
    int code = shr_next_end(self->consumer, &end);
    if (code < 0) return raise_code(code);
    if (code == SHR_EMPTY) Py_RETURN_NONE;
    return Py_BuildValue("(ININ)", end.lane, PyBool_FromLong(end.died), end.pid, PyUnicode_DecodeUTF8(end.name, (Py_ssize_t)strlen(end.name), "replace"));
}

static PyObject *consumer_missed(ConsumerObject *self, PyObject *unused) {
    (void)unused;
    uint64_t messages, bytes;
    if (!self->consumer) return refuse_use("consumer", 0);
    shr_missed(self->consumer, &messages, &bytes);
    return Py_BuildValue("(KK)", (unsigned long long)messages, (unsigned long long)bytes);
}

static PyObject *consumer_has_ended(ConsumerObject *self, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(self->ended);
}

static PyObject *consumer_cancel(ConsumerObject *self, PyObject *args) {
    int cancelled = 1;
    if (!PyArg_ParseTuple(args, "|p", &cancelled)) return NULL;
    if (self->consumer) shr_consumer_cancel(self->consumer, cancelled);
    Py_RETURN_NONE;
}

static PyObject *consumer_fileno(ConsumerObject *self, PyObject *unused) {
    (void)unused;
    if (!self->consumer || self->busy) return refuse_use("consumer", self->busy);
    int fd = shr_consumer_descriptor(self->consumer);
    return fd < 0 ? raise_code(fd) : PyLong_FromLong(fd);
}

static PyObject *consumer_arm(ConsumerObject *self, PyObject *unused) {
    (void)unused;
    if (!consumer_is_usable(self) || raises_kept(self)) return NULL;
    int code = shr_consumer_arm(self->consumer);
    if (code < 0) return raise_code(code);
    Py_RETURN_NONE;
}

static PyObject *consumer_disarm(ConsumerObject *self, PyObject *unused) {
    (void)unused;
    int code;
    if (!self->consumer || self->busy) return refuse_use("consumer", self->busy);
    WITHOUT_GIL(self, shr_consumer_disarm(self->consumer));
    if (code < 0) return raise_code(code);
    Py_RETURN_NONE;
}

static PyObject *consumer_end(ConsumerObject *self, int closes) {
    if (!self->consumer) Py_RETURN_NONE;
    if (!consumer_is_usable(self)) return NULL;
    shr_consumer *consumer = self->consumer;
    self->consumer = NULL;
    forget_kept(self);
    int code = SHR_OK;
    Py_BEGIN_ALLOW_THREADS /* it may join the thread behind its descriptor */
    if (closes)
        code = shr_consumer_close(consumer);
    else
        shr_consumer_drop(consumer);
    Py_END_ALLOW_THREADS
    if (code < 0) return raise_code(code);
    Py_RETURN_NONE;
}
static PyObject *consumer_close(ConsumerObject *self, PyObject *unused) {
    (void)unused;
    return consumer_end(self, 1);
}
static PyObject *consumer_drop(ConsumerObject *self, PyObject *unused) {
    (void)unused;
    return consumer_end(self, 0);
}

static PyMethodDef consumer_methods[] = {
    {"receive", (PyCFunction)(void (*)(void))consumer_receive, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"receive_bytes", (PyCFunction)(void (*)(void))consumer_receive_bytes, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"poll", (PyCFunction)consumer_poll, METH_NOARGS, NULL},
    {"drain", (PyCFunction)consumer_drain, METH_VARARGS, NULL},
    {"release", (PyCFunction)consumer_release, METH_NOARGS, NULL},
    {"put_back", (PyCFunction)consumer_put_back, METH_NOARGS, NULL},
    {"acknowledge", (PyCFunction)consumer_acknowledge, METH_NOARGS, NULL},
    {"wait_producer", (PyCFunction)consumer_wait_producer, METH_VARARGS, NULL},
    {"has_producer", (PyCFunction)consumer_has_producer, METH_NOARGS, NULL},
    {"remove_if_unused", (PyCFunction)consumer_remove_if_unused, METH_NOARGS, NULL},
    {"_ends", (PyCFunction)consumer_ends, METH_NOARGS, NULL},
    {"_next_end", (PyCFunction)consumer_next_end, METH_NOARGS, NULL},
    {"_missed", (PyCFunction)consumer_missed, METH_NOARGS, NULL},
    {"_has_ended", (PyCFunction)consumer_has_ended, METH_NOARGS, NULL},
    {"cancel", (PyCFunction)consumer_cancel, METH_VARARGS, NULL},
    {"fileno", (PyCFunction)consumer_fileno, METH_NOARGS, NULL},
    {"arm", (PyCFunction)consumer_arm, METH_NOARGS, NULL},
    {"disarm", (PyCFunction)consumer_disarm, METH_NOARGS, NULL},
    {"close", (PyCFunction)consumer_close, METH_NOARGS, NULL},
    {"drop", (PyCFunction)consumer_drop, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot consumer_slots[] = {{Py_tp_new, consumer_new},   {Py_tp_dealloc, consumer_dealloc}, {Py_tp_methods, consumer_methods},
                                       {Py_tp_iter, consumer_iter}, {Py_tp_iternext, consumer_next},   {0, NULL}};
static PyType_Spec consumer_spec = {"sharedring._sharedring.Consumer", sizeof(ConsumerObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, consumer_slots};

/* --- messages ----------------------------------------------------------------------------------------------------------------------------------------------
 */

/* Whether its bytes may be read now. */
static int message_is_out(const MessageObject *self) {
    if (self->generation != sr_fork_generation())
        refuse_inherited("message");
    else if (!self->message.bytes)
        PyErr_SetString(PyExc_BufferError, "this message is not out any more: its consumer was used since");
    else
        return 1;
    return 0;
}

static int message_getbuffer(MessageObject *self, Py_buffer *view, int flags) {
    if (!message_is_out(self)) {
        view->obj = NULL;
        return -1;
    }
    if (PyBuffer_FillInfo(view, (PyObject *)self, (void *)(uintptr_t)self->message.bytes, (Py_ssize_t)self->message.count, 1, flags) < 0) return -1;
    self->exports++;
    return 0;
}

static void message_releasebuffer(MessageObject *self, Py_buffer *view) {
    (void)view;
    self->exports--;
}

static PyObject *message_bytes(MessageObject *self, PyObject *unused) {
    (void)unused;
    return message_is_out(self) ? PyBytes_FromStringAndSize((const char *)self->message.bytes, (Py_ssize_t)self->message.count) : NULL;
}

static Py_ssize_t message_length(MessageObject *self) { return (Py_ssize_t)self->message.count; }
static PyObject *message_tag(MessageObject *self, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLong(self->message.tag);
}
static PyObject *message_lane(MessageObject *self, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLong(self->message.lane);
}

static void message_dealloc(MessageObject *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    ConsumerObject *consumer = self->consumer;
    /* Its view has ended: its space is given back now, as far as that is automatic. */
    if (consumer && consumer->out == self) {
        consumer->out = NULL;
        if (consumer->consumer && !consumer->busy) shr_release(consumer->consumer);
    }
    Py_XDECREF((PyObject *)consumer);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef message_methods[] = {{"__bytes__", (PyCFunction)message_bytes, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static PyGetSetDef message_getters[] = {
    {"tag", (getter)message_tag, NULL, NULL, NULL}, {"lane", (getter)message_lane, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};
static PyType_Slot message_slots[] = {{Py_tp_dealloc, message_dealloc},
                                      {Py_tp_methods, message_methods},
                                      {Py_tp_getset, message_getters},
                                      {Py_bf_getbuffer, message_getbuffer},
                                      {Py_bf_releasebuffer, message_releasebuffer},
                                      {Py_sq_length, message_length},
                                      {0, NULL}};
static PyType_Spec message_spec = {"sharedring.Message", sizeof(MessageObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, message_slots};

/* --- boards
 * --------------------------------------------------------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD shr_board_writer *writer;
} WriterObject;

static PyObject *writer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"ring", "key", NULL};
    RingObject *ring;
    PyObject *key = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O&", names, ring_type, &ring, key_of, &key)) return NULL;
    WriterObject *self = (WriterObject *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!self) {
        Py_DECREF(key);
        return NULL;
    }
    int code;
    const char *text = PyBytes_AsString(key);
    shr_board_writer *made = NULL;
    Py_BEGIN_ALLOW_THREADS /* as of a producer */
    code = shr_board_writer_open(ring->ring, text, NULL, &made);
    Py_END_ALLOW_THREADS
    self->writer = made;
    Py_DECREF(key);
    if (code < 0) {
        Py_DECREF(self);
        return raise_code(code);
    }
    return (PyObject *)self;
}

static void writer_dealloc(WriterObject *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    shr_board_writer_close(self->writer);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *writer_set(WriterObject *self, PyObject *args) {
    Py_buffer view;
    uint32_t tag = 0;
    if (!PyArg_ParseTuple(args, "y*|O&", &view, u32_of, &tag)) return NULL;
    int code = self->writer ? shr_board_set(self->writer, view.buf, (size_t)view.len, tag) : SHR_CLOSED;
    if (code == SHR_CLOSED)
        refuse_use("writer", 0);
    else if (code < 0)
        raise_code(code);
    PyBuffer_Release(&view);
    if (code < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *writer_close(WriterObject *self, PyObject *unused) {
    (void)unused;
    shr_board_writer_close(self->writer);
    self->writer = NULL;
    Py_RETURN_NONE;
}

static PyMethodDef writer_methods[] = {
    {"set", (PyCFunction)writer_set, METH_VARARGS, NULL}, {"close", (PyCFunction)writer_close, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static PyType_Slot writer_slots[] = {{Py_tp_new, writer_new}, {Py_tp_dealloc, writer_dealloc}, {Py_tp_methods, writer_methods}, {0, NULL}};
static PyType_Spec writer_spec = {"sharedring._sharedring.BoardWriter", sizeof(WriterObject), 0, Py_TPFLAGS_DEFAULT, writer_slots};

typedef struct {
    PyObject_HEAD shr_board_reader *reader;
    PyThreadState *saved; /* as in ProducerObject */
    int busy, is_armed;   /* is_armed: since then no call has taken it back from the thread that waits */
} ReaderObject;

static PyObject *reader_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"ring", "key", "waiting", "check_interval", NULL};
    RingObject *ring;
    const char *key = NULL;
    double check_interval = 0.1;
    struct shr_endpoint endpoint;
    memset(&endpoint, 0, sizeof endpoint);
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!|zid", names, ring_type, &ring, &key, &endpoint.waiting, &check_interval)) return NULL;
    if (interval_of(check_interval, &endpoint.check_interval_ns) < 0) return NULL;
    endpoint.interrupted = is_interrupted;
    ReaderObject *self = (ReaderObject *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!self) return NULL;
    int code;
    shr_board_reader *made = NULL;
    endpoint.context = &self->saved;
    Py_BEGIN_ALLOW_THREADS /* as of a producer */
    code = shr_board_reader_open(ring->ring, key, &endpoint, &made);
    Py_END_ALLOW_THREADS
    self->reader = made;
    if (code < 0) {
        Py_DECREF(self);
        return raise_code(code);
    }
    return (PyObject *)self;
}

static void reader_dealloc(ReaderObject *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    shr_board_reader_close(self->reader);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static int reader_is_usable(ReaderObject *self) {
    if (self->reader && !self->busy) return 1;
    refuse_use("reader", self->busy);
    return 0;
}

/* Takes the reader back from the thread that waits for its descriptor, which is readable then: a task that waits for it arms it again. */
static int reader_take_back(ReaderObject *self) {
    int code;
    if (!self->is_armed) return 0;
    WITHOUT_GIL(self, shr_board_reader_disarm(self->reader));
    if (code < 0) {
        raise_code(code);
        return code;
    }
    self->is_armed = 0;
    return 0;
}

/* The keys there are by now, or those of entries that were set. */
static PyObject *reader_keys(ReaderObject *self, PyObject *args) {
    int is_set = 0;
    if (!PyArg_ParseTuple(args, "|p", &is_set)) return NULL;
    if (!reader_is_usable(self) || reader_take_back(self) < 0) return NULL;
    self->busy = 1; /* making a list may run the collector, and finalisers with it: none of them closes this reader */
    uint32_t count = shr_board_count(self->reader);
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list && i < count; i++) {
        size_t length;
        if (is_set && shr_board_version(self->reader, i) == 0) continue;
        const char *key = shr_board_key(self->reader, i, &length);
        PyObject *text = key_text(key, length);
        if (!text || PyList_Append(list, text) < 0) Py_CLEAR(list);
        Py_XDECREF(text);
    }
    self->busy = 0;
    return list;
}

/* (bytes, version, tag, time_ns), or None: the entry was never set. */
static PyObject *reader_get(ReaderObject *self, PyObject *args) {
    PyObject *key = NULL;
    struct shr_stamp stamp;
    if (!PyArg_ParseTuple(args, "O&", key_of, &key)) return NULL;
    if (!reader_is_usable(self) || reader_take_back(self) < 0) {
        Py_DECREF(key);
        return NULL;
    }
    int index = shr_board_find(self->reader, PyBytes_AsString(key));
    Py_DECREF(key);
    if (index < 0) return raise_code(index);
    size_t room = 256;
    while (1) {
        PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)room);
        if (!bytes) return NULL;
        char *place = PyBytes_AsString(bytes);
        int code = shr_board_get(self->reader, (uint32_t)index, place, room, &stamp);
        if (code == SHR_OK && stamp.count <= room) {
            PyObject *value = PyBytes_FromStringAndSize(place, stamp.count), *result = NULL;
            Py_DECREF(bytes);
            if (value) result = Py_BuildValue("(NKIL)", value, (unsigned long long)stamp.version, stamp.tag, (long long)stamp.time_ns);
            return result;
        }
        Py_DECREF(bytes);
        if (code < 0) return raise_code(code);
        if (code == SHR_EMPTY) Py_RETURN_NONE;
        room = (size_t)shr_board_capacity(self->reader, (uint32_t)index); /* room for every value */
    }
}

/* A list of (key, bytes, version, tag, time_ns), of one moment; bytes None: never set. */
static PyObject *reader_snapshot(ReaderObject *self, PyObject *unused) {
    (void)unused;
    if (!reader_is_usable(self) || reader_take_back(self) < 0) return NULL;
    self->busy = 1; /* as in reader_keys */
    uint32_t count = shr_board_count(self->reader);
    struct shr_stamp *stamps = (struct shr_stamp *)PyMem_Calloc(count + 1, sizeof *stamps);
    size_t *offsets = (size_t *)PyMem_Calloc(count + 1, sizeof *offsets), room = 4096, needed = 0;
    char *place = (char *)PyMem_Malloc(room);
    int code = SHR_OK;
    PyObject *list = NULL;
    while (stamps && offsets && place) {
        code = shr_board_snapshot(self->reader, place, room, stamps, offsets, &needed);
        if (code < 0 || needed <= room) break;
        room = needed * 2;
        PyMem_Free(place);
        place = (char *)PyMem_Malloc(room);
    }
    if (!stamps || !offsets || !place)
        PyErr_NoMemory();
    else if (code < 0)
        raise_code(code);
    else
        list = PyList_New(0);
    for (uint32_t i = 0; list && i < count; i++) {
        size_t length;
        const char *key = shr_board_key(self->reader, i, &length);
        PyObject *text = key_text(key, length);
        PyObject *row = !text                    ? NULL
                        : stamps[i].version == 0 ? Py_BuildValue("(NOKIL)", text, Py_None, 0ULL, 0u, 0LL)
                                                 : Py_BuildValue("(Ny#KIL)", text, place + offsets[i], (Py_ssize_t)stamps[i].count,
                                                                 (unsigned long long)stamps[i].version, stamps[i].tag, (long long)stamps[i].time_ns);
        if (!row || PyList_Append(list, row) < 0) Py_CLEAR(list);
        Py_XDECREF(row);
    }
    self->busy = 0;
    PyMem_Free(stamps);
    PyMem_Free(offsets);
    PyMem_Free(place);
    return list;
}

/* The key of an entry that was set since; None: none was, with a timeout of 0. */
static PyObject *reader_wait(ReaderObject *self, PyObject *args) {
    PyObject *timeout = Py_None;
    int64_t timeout_ns;
    uint32_t index;
    int code;
    if (!PyArg_ParseTuple(args, "|O", &timeout) || timeout_of(timeout, &timeout_ns) < 0 || !reader_is_usable(self)) return NULL;
    WITHOUT_GIL(self, shr_board_wait(self->reader, &index, timeout_ns));
    if (code < 0) return raise_code(code);
    if (code == SHR_EMPTY) Py_RETURN_NONE;
    size_t length;
    const char *key = shr_board_key(self->reader, index, &length);
    return key_text(key, length);
}

static PyObject *reader_cancel(ReaderObject *self, PyObject *args) {
    int cancelled = 1;
    if (!PyArg_ParseTuple(args, "|p", &cancelled)) return NULL;
    if (self->reader) shr_board_reader_cancel(self->reader, cancelled);
    Py_RETURN_NONE;
}

static PyObject *reader_fileno(ReaderObject *self, PyObject *unused) {
    (void)unused;
    if (!reader_is_usable(self)) return NULL;
    int fd = shr_board_reader_descriptor(self->reader);
    return fd < 0 ? raise_code(fd) : PyLong_FromLong(fd);
}

static PyObject *reader_arm(ReaderObject *self, PyObject *unused) {
    (void)unused;
    if (!reader_is_usable(self)) return NULL;
    int code = shr_board_reader_arm(self->reader);
    if (code < 0) return raise_code(code);
    self->is_armed = 1;
    Py_RETURN_NONE;
}

static PyObject *reader_disarm(ReaderObject *self, PyObject *unused) {
    (void)unused;
    if (!reader_is_usable(self) || reader_take_back(self) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *reader_close(ReaderObject *self, PyObject *unused) {
    (void)unused;
    if (self->busy) return refuse_use("reader", 1);
    shr_board_reader *reader = self->reader;
    self->reader = NULL;
    Py_BEGIN_ALLOW_THREADS
    shr_board_reader_close(reader);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyMethodDef reader_methods[] = {
    {"keys", (PyCFunction)reader_keys, METH_VARARGS, NULL},        {"get", (PyCFunction)reader_get, METH_VARARGS, NULL},
    {"snapshot", (PyCFunction)reader_snapshot, METH_NOARGS, NULL}, {"wait", (PyCFunction)reader_wait, METH_VARARGS, NULL},
    {"cancel", (PyCFunction)reader_cancel, METH_VARARGS, NULL},    {"fileno", (PyCFunction)reader_fileno, METH_NOARGS, NULL},
    {"arm", (PyCFunction)reader_arm, METH_NOARGS, NULL},           {"disarm", (PyCFunction)reader_disarm, METH_NOARGS, NULL},
    {"close", (PyCFunction)reader_close, METH_NOARGS, NULL},       {NULL, NULL, 0, NULL},
};
static PyType_Slot reader_slots[] = {{Py_tp_new, reader_new}, {Py_tp_dealloc, reader_dealloc}, {Py_tp_methods, reader_methods}, {0, NULL}};
static PyType_Spec reader_spec = {"sharedring._sharedring.BoardReader", sizeof(ReaderObject), 0, Py_TPFLAGS_DEFAULT, reader_slots};

/* --- calls -------------------------------------------------------------------------------------------------------------------------------------------- */

static PyTypeObject *request_type;
static PyObject *call_error, *outcome_errors[SHR_CALL_STILL_OPEN + 1];
static PyObject *call_errors[SHR_CALL_STILL_OPEN + 1][-SHR_CALL_FAILED + 1];

/* What a call raises says both: what is known of the request, and what ended the call. Such classes are made when they are needed first. A borrowed reference.
 */
static PyObject *call_error_of(int outcome, int code) {
    if (outcome < SHR_CALL_REFUSED || outcome > SHR_CALL_STILL_OPEN || code >= 0 || code < SHR_CALL_FAILED || !errors[-code]) return base_error;
    if (outcome <= SHR_CALL_MALFORMED) return outcome_errors[outcome]; /* what ended it is that the call failed */
    PyObject **kept = &call_errors[outcome][-code];
    if (*kept) return *kept;
    static const char *const names[] = {"sharedring.CallNotExecuted", "sharedring.CallUnknown", "sharedring.CallStillOpen"};
    PyObject *bases = code == SHR_CALL_FAILED ? PyTuple_Pack(1, outcome_errors[outcome]) : PyTuple_Pack(2, outcome_errors[outcome], errors[-code]);
    PyObject *namespace = Py_BuildValue("{s:s}", "code", shr_code_name(code));
    if (bases && namespace) *kept = PyErr_NewExceptionWithDoc(names[outcome - SHR_CALL_NOT_EXECUTED], "How a call ended.", bases, namespace);
    Py_XDECREF(bases);
    Py_XDECREF(namespace);
    return *kept;
}

static PyObject *token_text(const shr_token *token) {
    char text[SHR_TOKEN_TEXT];
    shr_token_text(token, text);
    return PyUnicode_FromString(text);
}

/* A new reference is set as the attribute, or an exception is. */
static int set_attribute(PyObject *object, const char *name, PyObject *value) {
    int result = value ? PyObject_SetAttrString(object, name, value) : -1;
    Py_XDECREF(value);
    return result;
}

/* The call ended without a reply. The client is busy meanwhile: a finaliser that runs here makes no call, so the refusal's bytes stay. */
static PyObject *raise_call(int code, const shr_reply *reply) {
    if (PyErr_Occurred()) return NULL; /* a signal handler's */
    int system = shr_errno();
    PyObject *text = PyUnicode_DecodeUTF8(shr_message(), (Py_ssize_t)strlen(shr_message()), "backslashreplace");
    PyObject *type = text ? call_error_of(reply->outcome, code) : NULL;
    PyObject *error = type ? PyObject_CallFunctionObjArgs(type, text, NULL) : NULL;
    Py_XDECREF(text);
    if (!error) return NULL;
    if (set_attribute(error, "errno", system ? PyLong_FromLong(system) : Py_NewRef(Py_None)) < 0) PyErr_Clear();
    if (set_attribute(error, "outcome", PyUnicode_FromString(shr_outcome_name(reply->outcome))) == 0 &&
        set_attribute(error, "token", reply->has_token ? token_text(&reply->token) : Py_NewRef(Py_None)) == 0 &&
        set_attribute(error, "refusal", PyBytes_FromStringAndSize((const char *)reply->bytes, reply->bytes ? (Py_ssize_t)reply->count : 0)) == 0)
        PyErr_SetObject(type, error);
    Py_DECREF(error);
    return NULL;
}

typedef struct {
    PyObject_HEAD shr_client *client;
    PyThreadState *saved; /* as in ProducerObject */
    int busy, has_token;
    shr_token token; /* of the last call */
} ClientObject;

static int call_endpoint_of(PyObject *args, PyObject *kwargs, RingObject **ring, struct shr_endpoint *e) {
    static char *names[] = {"ring", "waiting", "check_interval", "prefault", NULL};
    double check_interval = 0.1;
    memset(e, 0, sizeof *e);
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!|idp", names, ring_type, ring, &e->waiting, &check_interval, &e->prefault)) return -1;
    e->interrupted = is_interrupted;
    return interval_of(check_interval, &e->check_interval_ns);
}

static PyObject *client_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    RingObject *ring;
    struct shr_endpoint endpoint;
    if (call_endpoint_of(args, kwargs, &ring, &endpoint) < 0) return NULL;
    ClientObject *self = (ClientObject *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!self) return NULL;
    int code;
    shr_client *made = NULL;
    endpoint.context = &self->saved;
    Py_BEGIN_ALLOW_THREADS /* as of a producer */
    code = shr_client_open(ring->ring, &endpoint, &made);
    Py_END_ALLOW_THREADS
    self->client = made;
    if (code < 0) {
        Py_DECREF(self);
        return raise_code(code);
    }
    return (PyObject *)self;
}

static void client_dealloc(ClientObject *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    shr_client_close(self->client);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static int client_is_usable(ClientObject *self) {
    if (self->client && !self->busy) return 1;
    refuse_use("client", self->busy);
    return 0;
}

/* The reply's bytes, or the exception. */
static PyObject *reply_of(ClientObject *self, int code, const shr_reply *reply) {
    self->has_token = reply->has_token;
    self->token = reply->token;
    self->busy = 1; /* as in reader_keys */
    PyObject *result = code == SHR_OK ? PyBytes_FromStringAndSize((const char *)reply->bytes, (Py_ssize_t)reply->count) : raise_call(code, reply);
    self->busy = 0;
    return result;
}

/* A token as text; None: there is none. For PyArg_ParseTuple; the place is a struct token_argument. */
struct token_argument {
    shr_token token;
    int is_given;
};
static int token_of(PyObject *object, void *place) {
    struct token_argument *found = (struct token_argument *)place;
    found->is_given = object != Py_None;
    if (!found->is_given) return 1;
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "a token is a str, not %R", object);
        return 0;
    }
    PyObject *bytes = PyUnicode_AsUTF8String(object);
    if (!bytes) return 0;
    int code = shr_token_parse(PyBytes_AsString(bytes), &found->token);
    if (code < 0) raise_code(code);
    Py_DECREF(bytes);
    return code == SHR_OK;
}

static PyObject *client_call(ClientObject *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"data", "timeout", "retrying", NULL};
    Py_buffer view;
    PyObject *timeout = Py_None, *result = NULL;
    struct token_argument token = {{{0}, 0, 0}, 0};
    int64_t timeout_ns;
    shr_reply reply;
    int code;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*|OO&", names, &view, &timeout, token_of, &token)) return NULL;
    if (timeout_of(timeout, &timeout_ns) == 0 && client_is_usable(self)) {
        const shr_token *first = token.is_given ? &token.token : NULL;
        WITHOUT_GIL(self, shr_call(self->client, view.buf, (size_t)view.len, first, &reply, timeout_ns));
        result = reply_of(self, code, &reply);
    }
    PyBuffer_Release(&view);
    return result;
}

/* Makes the request: True; False: the slot is in use by an earlier call. */
static PyObject *client_post(ClientObject *self, PyObject *args) {
    Py_buffer view;
    struct token_argument token = {{{0}, 0, 0}, 0};
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(args, "y*|O&", &view, token_of, &token)) return NULL;
    if (client_is_usable(self)) {
        void *place;
        int code = shr_call_begin(self->client, (size_t)view.len, &place, 0);
        if (code == SHR_OK) {
            memcpy(place, view.buf, (size_t)view.len);
            code = shr_call_post(self->client, (size_t)view.len, token.is_given ? &token.token : NULL);
        }
        if (code < 0) {
            shr_reply reply;
            memset(&reply, 0, sizeof reply);
            reply.outcome = SHR_CALL_NOT_EXECUTED;
            raise_call(code, &reply);
        } else {
            result = PyBool_FromLong(code == SHR_OK);
        }
    }
    PyBuffer_Release(&view);
    return result;
}

/* The reply; None: the call is under way. */
static PyObject *client_poll(ClientObject *self, PyObject *unused) {
    (void)unused;
    shr_reply reply;
    if (!client_is_usable(self)) return NULL;
    int code = shr_call_poll(self->client, &reply);
    if (code == SHR_EMPTY) Py_RETURN_NONE;
    return reply_of(self, code, &reply);
}

/* Ends the call that a task waits for, at its deadline or because it was cancelled: the reply, if there is one after all. */
static PyObject *client_give_up(ClientObject *self, PyObject *args) {
    int is_timed_out;
    shr_reply reply;
    if (!PyArg_ParseTuple(args, "p", &is_timed_out) || !client_is_usable(self)) return NULL;
    int code = shr_call_give_up(self->client, &reply);
    if (code == SHR_MISUSE) reply.outcome = SHR_CALL_NOT_EXECUTED; /* it waited for its slot */
    if (is_timed_out && (code == SHR_CANCELLED || code == SHR_MISUSE)) code = SHR_TIMED_OUT;
    return reply_of(self, code, &reply);
}

static PyObject *client_token(ClientObject *self, void *unused) {
    (void)unused;
    if (!self->has_token) Py_RETURN_NONE;
    return token_text(&self->token);
}

static PyObject *client_cancel(ClientObject *self, PyObject *args) {
    int cancelled = 1;
    if (!PyArg_ParseTuple(args, "|p", &cancelled)) return NULL;
    if (self->client) shr_client_cancel(self->client, cancelled);
    Py_RETURN_NONE;
}

static PyObject *client_fileno(ClientObject *self, PyObject *unused) {
    (void)unused;
    if (!client_is_usable(self)) return NULL;
    int fd = shr_client_descriptor(self->client);
    return fd < 0 ? raise_code(fd) : PyLong_FromLong(fd);
}

static PyObject *client_arm(ClientObject *self, PyObject *unused) {
    (void)unused;
    if (!client_is_usable(self)) return NULL;
    int code = shr_client_arm(self->client);
    if (code < 0) return raise_code(code);
    Py_RETURN_NONE;
}

static PyObject *client_disarm(ClientObject *self, PyObject *unused) {
    (void)unused;
    int code;
    if (!client_is_usable(self)) return NULL;
    WITHOUT_GIL(self, shr_client_disarm(self->client));
    if (code < 0) return raise_code(code);
    Py_RETURN_NONE;
}

static PyObject *client_close(ClientObject *self, PyObject *unused) {
    (void)unused;
    if (self->busy) return refuse_use("client", 1);
    shr_client *client = self->client;
    self->client = NULL;
    Py_BEGIN_ALLOW_THREADS
    shr_client_close(client);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyMethodDef client_methods[] = {
    {"call", (PyCFunction)(void (*)(void))client_call, METH_VARARGS | METH_KEYWORDS, NULL},
    {"_post", (PyCFunction)client_post, METH_VARARGS, NULL},
    {"_poll", (PyCFunction)client_poll, METH_NOARGS, NULL},
    {"_give_up", (PyCFunction)client_give_up, METH_VARARGS, NULL},
    {"cancel", (PyCFunction)client_cancel, METH_VARARGS, NULL},
    {"fileno", (PyCFunction)client_fileno, METH_NOARGS, NULL},
    {"arm", (PyCFunction)client_arm, METH_NOARGS, NULL},
    {"disarm", (PyCFunction)client_disarm, METH_NOARGS, NULL},
    {"close", (PyCFunction)client_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef client_getters[] = {{"token", (getter)client_token, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};
static PyType_Slot client_slots[] = {
    {Py_tp_new, client_new}, {Py_tp_dealloc, client_dealloc}, {Py_tp_methods, client_methods}, {Py_tp_getset, client_getters}, {0, NULL}};
static PyType_Spec client_spec = {"sharedring._sharedring.CallClient", sizeof(ClientObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, client_slots};

typedef struct {
    PyObject_HEAD shr_server *server;
    PyThreadState *saved; /* as in ProducerObject */
    int busy;
} ServerObject;

/* A call that the server has started, with a copy of its bytes. */
typedef struct {
    PyObject_HEAD ServerObject *server;
    shr_request request;
    PyObject *data;
    int is_answered;
} RequestObject;

static PyObject *server_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    RingObject *ring;
    struct shr_endpoint endpoint;
    if (call_endpoint_of(args, kwargs, &ring, &endpoint) < 0) return NULL;
    ServerObject *self = (ServerObject *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!self) return NULL;
    int code;
    shr_server *made = NULL;
    endpoint.context = &self->saved;
    Py_BEGIN_ALLOW_THREADS /* as of a producer */
    code = shr_server_open(ring->ring, &endpoint, &made);
    Py_END_ALLOW_THREADS
    self->server = made;
    if (code < 0) {
        Py_DECREF(self);
        return raise_code(code);
    }
    return (PyObject *)self;
}

static void server_dealloc(ServerObject *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    shr_server_close(self->server);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static int server_is_usable(ServerObject *self) {
    if (self->server && !self->busy) return 1;
    refuse_use("server", self->busy);
    return 0;
}

static PyObject *request_of(ServerObject *self, const shr_request *request) {
    RequestObject *made = (RequestObject *)((allocfunc)PyType_GetSlot(request_type, Py_tp_alloc))(request_type, 0);
    if (made) {
        made->server = (ServerObject *)Py_NewRef((PyObject *)self);
        made->request = *request;
        made->data = PyBytes_FromStringAndSize((const char *)request->bytes, (Py_ssize_t)request->count);
        if (made->data) return (PyObject *)made;
        Py_DECREF(made); /* which drops the call */
        return NULL;
    }
    if (self->server) shr_drop(self->server, request);
    return NULL;
}

/* The next call; None: there is none now. */
static PyObject *next_request(ServerObject *self, int64_t timeout_ns) {
    shr_request request;
    if (!server_is_usable(self)) return NULL;
    int code = shr_server_poll(self->server, &request);
    if (code == SHR_EMPTY && timeout_ns != 0) WITHOUT_GIL(self, shr_server_next(self->server, &request, timeout_ns));
    if (code == SHR_EMPTY) Py_RETURN_NONE;
    return code < 0 ? raise_code(code) : request_of(self, &request);
}

static PyObject *server_next(ServerObject *self, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"timeout", NULL};
    PyObject *timeout = Py_None;
    int64_t timeout_ns;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", names, &timeout) || timeout_of(timeout, &timeout_ns) < 0) return NULL;
    PyObject *request = next_request(self, timeout_ns);
    if (request != Py_None) return request;
    Py_DECREF(request);
    return fail_timed_out("no call is there");
}

static PyObject *server_poll(ServerObject *self, PyObject *unused) {
    (void)unused;
    return next_request(self, 0);
}

static PyObject *server_iterate(ServerObject *self) { return next_request(self, SHR_FOREVER); }

static PyObject *server_number(ServerObject *self, void *unused) {
    (void)unused;
    return self->server ? PyLong_FromUnsignedLong(shr_server_number(self->server)) : refuse_use("server", 0);
}

static PyObject *server_cancel(ServerObject *self, PyObject *args) {
    int cancelled = 1;
    if (!PyArg_ParseTuple(args, "|p", &cancelled)) return NULL;
    if (self->server) shr_server_cancel(self->server, cancelled);
    Py_RETURN_NONE;
}

static PyObject *server_fileno(ServerObject *self, PyObject *unused) {
    (void)unused;
    if (!server_is_usable(self)) return NULL;
    int fd = shr_server_descriptor(self->server);
    return fd < 0 ? raise_code(fd) : PyLong_FromLong(fd);
}

static PyObject *server_arm(ServerObject *self, PyObject *unused) {
    (void)unused;
    if (!server_is_usable(self)) return NULL;
    int code = shr_server_arm(self->server);
    if (code < 0) return raise_code(code);
    Py_RETURN_NONE;
}

static PyObject *server_disarm(ServerObject *self, PyObject *unused) {
    (void)unused;
    int code;
    if (!server_is_usable(self)) return NULL;
    WITHOUT_GIL(self, shr_server_disarm(self->server));
    if (code < 0) return raise_code(code);
    Py_RETURN_NONE;
}

static PyObject *server_close(ServerObject *self, PyObject *unused) {
    (void)unused;
    if (self->busy) return refuse_use("server", 1);
    shr_server *server = self->server;
    self->server = NULL;
    Py_BEGIN_ALLOW_THREADS
    shr_server_close(server);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyMethodDef server_methods[] = {
    {"next", (PyCFunction)(void (*)(void))server_next, METH_VARARGS | METH_KEYWORDS, NULL},
    {"poll", (PyCFunction)server_poll, METH_NOARGS, NULL},
    {"cancel", (PyCFunction)server_cancel, METH_VARARGS, NULL},
    {"fileno", (PyCFunction)server_fileno, METH_NOARGS, NULL},
    {"arm", (PyCFunction)server_arm, METH_NOARGS, NULL},
    {"disarm", (PyCFunction)server_disarm, METH_NOARGS, NULL},
    {"close", (PyCFunction)server_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef server_getters[] = {{"number", (getter)server_number, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};
static PyType_Slot server_slots[] = {{Py_tp_new, server_new},
                                     {Py_tp_dealloc, server_dealloc},
                                     {Py_tp_methods, server_methods},
                                     {Py_tp_getset, server_getters},
                                     {Py_tp_iter, consumer_iter},
                                     {Py_tp_iternext, server_iterate},
                                     {0, NULL}};
static PyType_Spec server_spec = {"sharedring._sharedring.CallServer", sizeof(ServerObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, server_slots};

/* --- requests: answered from any thread, also while another waits with the server. The GIL is held meanwhile, so no other thread closes it -------------- */

static PyObject *request_answer(RequestObject *self, PyObject *args, int (*answer)(shr_server *, const shr_request *, const void *, size_t)) {
    Py_buffer view;
    int code = SHR_CLOSED;
    memset(&view, 0, sizeof view);
    if (!PyArg_ParseTuple(args, answer == shr_refuse ? "|y*" : "y*", &view)) return NULL;
    if (self->server->server) {
        code = answer(self->server->server, &self->request, view.buf, (size_t)view.len);
        if (code < 0) raise_code(code);
        if (code == SHR_OK) self->is_answered = 1;
    } else {
        refuse_use("server", 0);
    }
    if (view.obj) PyBuffer_Release(&view);
    if (code < 0) return NULL;
    Py_RETURN_NONE;
}
static PyObject *request_reply(RequestObject *self, PyObject *args) { return request_answer(self, args, shr_answer); }
static PyObject *request_refuse(RequestObject *self, PyObject *args) { return request_answer(self, args, shr_refuse); }

static PyObject *request_drop(RequestObject *self, PyObject *unused) {
    (void)unused;
    if (!self->server->server) return refuse_use("server", 0);
    int code = shr_drop(self->server->server, &self->request);
    if (code < 0) return raise_code(code);
    self->is_answered = 1;
    Py_RETURN_NONE;
}

static PyObject *request_data(RequestObject *self, void *unused) {
    (void)unused;
    return Py_NewRef(self->data);
}
static PyObject *request_bytes(RequestObject *self, PyObject *unused) {
    (void)unused;
    return Py_NewRef(self->data);
}
static Py_ssize_t request_length(RequestObject *self) { return (Py_ssize_t)self->request.count; }
static PyObject *request_token(RequestObject *self, void *unused) {
    (void)unused;
    return token_text(&self->request.token);
}
static PyObject *request_is_retry(RequestObject *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(self->request.is_retry);
}
static PyObject *request_is_given_up(RequestObject *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(self->server->server && shr_is_given_up(self->server->server, &self->request));
}

static void request_dealloc(RequestObject *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    /* Nobody can answer it any more. (In a forked child this is refused.) */
    if (self->server && self->server->server && !self->is_answered) shr_drop(self->server->server, &self->request);
    Py_XDECREF((PyObject *)self->server);
    Py_XDECREF(self->data);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef request_methods[] = {
    {"reply", (PyCFunction)request_reply, METH_VARARGS, NULL},
    {"refuse", (PyCFunction)request_refuse, METH_VARARGS, NULL},
    {"drop", (PyCFunction)request_drop, METH_NOARGS, NULL},
    {"__bytes__", (PyCFunction)request_bytes, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef request_getters[] = {
    {"data", (getter)request_data, NULL, NULL, NULL},
    {"token", (getter)request_token, NULL, NULL, NULL},
    {"is_retry", (getter)request_is_retry, NULL, NULL, NULL},
    {"is_given_up", (getter)request_is_given_up, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot request_slots[] = {
    {Py_tp_dealloc, request_dealloc}, {Py_tp_methods, request_methods}, {Py_tp_getset, request_getters}, {Py_sq_length, request_length}, {0, NULL}};
static PyType_Spec request_spec = {"sharedring.CallRequest", sizeof(RequestObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, request_slots};

/* The classes of outcomes: what a call raises is one of these, and one of the classes of what ended it. */
static int add_outcome(PyObject *module, PyObject **kept, const char *name, PyObject *base, const char *doc) {
    char full[64];
    PyOS_snprintf(full, sizeof full, "sharedring.%s", name);
    *kept = PyErr_NewExceptionWithDoc(full, doc, base, NULL);
    return *kept ? PyModule_AddObjectRef(module, name, *kept) : -1;
}

static int add_outcomes(PyObject *module) {
    PyObject *failed;
    if (add_outcome(module, &call_error, "CallError", base_error,
                    "How a call ended that brought no reply. `outcome`: what is known of the request; `token`: the call's name, or None; `refusal`: bytes.") <
        0)
        return -1;
    PyObject *defaults = Py_BuildValue("(sOy#)", "was not executed", Py_None, "", (Py_ssize_t)0);
    static const char *const names[] = {"outcome", "token", "refusal"};
    for (Py_ssize_t i = 0; defaults && i < 3; i++)
        if (PyObject_SetAttrString(call_error, names[i], PyTuple_GetItem(defaults, i)) < 0) return -1;
    Py_XDECREF(defaults);
    if (!defaults || add_outcome(module, &failed, "CallFailed", call_error, "The service has no reply.") < 0) return -1;
    PyObject *code = PyUnicode_FromString(shr_code_name(SHR_CALL_FAILED));
    if (set_attribute(failed, "code", code) < 0) return -1;
    errors[-SHR_CALL_FAILED] = failed;
    const struct {
        int outcome;
        const char *name;
        PyObject *base;
        const char *doc;
    } rows[] = {
        {SHR_CALL_REFUSED, "CallRefused", failed, "The service refused the request; `refusal` has its bytes."},
        {SHR_CALL_DROPPED, "CallDropped", failed, "The server let go of the request without an answer."},
        {SHR_CALL_CLOSED, "CallClosed", failed, "The server closed before it answered."},
        {SHR_CALL_MALFORMED, "CallMalformed", failed, "The request was impossible for the server."},
        {SHR_CALL_NOT_EXECUTED, "CallNotExecuted", call_error, "The request was not carried out, and never will be."},
        {SHR_CALL_UNKNOWN, "CallUnknown", call_error, "A server started the request and has gone: it may have been carried out, in part or wholly."},
        {SHR_CALL_STILL_OPEN, "CallStillOpen", call_error, "It was given up when a server had started it: it may be carried out yet."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (add_outcome(module, &outcome_errors[rows[i].outcome], rows[i].name, rows[i].base, rows[i].doc) < 0) return -1;
    return 0;
}

/* --- the module
 * --------------------------------------------------------------------------------------------------------------------------------------------------- */

static PyObject *module_remove(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *name = NULL, *directory = NULL;
    int owners = 0, flushes = 0;
    struct shr_options options;
    memset(&options, 0, sizeof options);
    if (!PyArg_ParseTuple(args, "O&|O&ip", PyUnicode_FSConverter, &name, path_of, &directory, &owners, &flushes)) return NULL;
    options.directory = path_text(directory);
    options.owners = owners;
    int code;
    const char *text = path_text(name);
    Py_BEGIN_ALLOW_THREADS /* to a disk */
    code = flushes ? shr_flush(text, &options) : shr_remove(text, &options);
    Py_END_ALLOW_THREADS
    Py_DECREF(name);
    Py_XDECREF(directory);
    if (code < 0) return raise_code(code);
    Py_RETURN_NONE;
}

static PyObject *module_board_size(PyObject *module, PyObject *args) {
    (void)module;
    uint64_t capacity;
    int keeps_time = 0;
    if (!PyArg_ParseTuple(args, "O&|p", u64_of, &capacity, &keeps_time)) return NULL;
    return PyLong_FromUnsignedLongLong(shr_board_size(capacity, keeps_time));
}

static PyMethodDef module_methods[] = {
    {"remove", module_remove, METH_VARARGS, NULL}, {"board_size", module_board_size, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "sharedring._sharedring", NULL, -1, module_methods, NULL, NULL, NULL, NULL};

static int add_type(PyObject *to, const char *name, PyType_Spec *spec, PyTypeObject **kept) {
    PyObject *type = PyType_FromSpec(spec);
    if (!type) return -1;
    if (kept) *kept = (PyTypeObject *)type;
    return PyModule_AddObjectRef(to, name, type);
}

PyMODINIT_FUNC PyInit__sharedring(void) {
    PyObject *m = PyModule_Create(&module);
    if (!m) return NULL;
    PyObject *namespace = Py_BuildValue("{s:s,s:O}", "code", "unknown", "errno", Py_None);
    if (!namespace) return NULL;
    base_error =
        PyErr_NewExceptionWithDoc("sharedring.Error", "What a call of sharedring raises; `code` says which error it is, `errno` the system's number or None.",
                                  PyExc_Exception, namespace);
    Py_DECREF(namespace);
    if (!base_error || PyModule_AddObjectRef(m, "Error", base_error) < 0) return NULL;
    const struct {
        int code;
        const char *name;
        PyObject *second;
        const char *doc;
    } rows[] = {
        {SHR_INVALID_NAME, "InvalidName", PyExc_ValueError, "A name that no ring can have."},
        {SHR_INVALID_OPTION, "InvalidOption", PyExc_ValueError, "An option that no ring can have."},
        {SHR_NOT_FOUND, "NotFound", PyExc_LookupError, "There is no ring of that name."},
        {SHR_ALREADY_EXISTS, "AlreadyExists", NULL, "There is something of that name already."},
        {SHR_NOT_A_RING, "NotARing", NULL, "What is there is no ring."},
        {SHR_DAMAGED, "Damaged", NULL, "What is there was a ring, and its header is damaged."},
        {SHR_INCOMPATIBLE, "Incompatible", NULL, "A ring of another version or kind, or one that needs what this system does not have."},
        {SHR_WRONG_OWNER, "WrongOwner", PyExc_PermissionError, "The ring belongs to another user."},
        {SHR_OUT_OF_SPACE, "OutOfSpace", NULL, "There is no memory for the ring."},
        {SHR_DIFFERENT_SHAPE, "DifferentShape", NULL, "The ring is there, with another shape than it must have."},
        {SHR_IN_USE, "InUse", NULL, "Another process uses it."},
        {SHR_REPLACED, "Replaced", NULL, "The ring was removed and made anew since it was opened."},
        {SHR_NOT_SEALED, "NotSealed", NULL, "The memory of this descriptor can be truncated."},
        {SHR_NOT_FLUSHED, "NotFlushed", NULL, "The machine was restarted while the ring was in use."},
        {SHR_ROLE_TAKEN, "RoleTaken", NULL, "Another process has this role; the message names it."},
        {SHR_ENTRY_NOT_FOUND, "EntryNotFound", PyExc_KeyError, "The board has no entry with that key."},
        {SHR_BOARD_FULL, "BoardFull", NULL, "The board has no room for another entry."},
        {SHR_WRITER_TOO_FAST, "WriterTooFast", NULL, "The value was written anew each time it was read."},
        {SHR_MESSAGE_TOO_LARGE, "MessageTooLarge", PyExc_ValueError, "The message is larger than the largest of this ring."},
        {SHR_TIMED_OUT, "TimedOut", PyExc_TimeoutError, "The timeout passed."},
        {SHR_CANCELLED, "Cancelled", NULL, "The wait was cancelled from another thread."},
        {SHR_ALREADY_WAITING, "AlreadyWaiting", NULL, "The descriptor is armed: a thread waits."},
        {SHR_PEER_DIED, "PeerDied", NULL, "The other side went away without closing."},
        {SHR_PEER_CLOSED, "PeerClosed", NULL, "The other side closed."},
        {SHR_POISONED, "Poisoned", NULL, "Another process wrote what no producer or consumer writes."},
        {SHR_FORKED, "Forked", NULL, "It belongs to the parent of this forked process."},
        {SHR_CLOSED, "Closed", PyExc_ValueError, "It was closed before."},
        {SHR_MISUSE, "Misuse", PyExc_RuntimeError, "Calls in an order that makes no sense."},
        {SHR_SYSTEM, "SystemFailure", NULL, "The system refused; `errno` says why."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (add_error(m, rows[i].code, rows[i].name, rows[i].second, rows[i].doc) < 0) return NULL;
    if (add_outcomes(m) < 0) return NULL;
    if (add_type(m, "Ring", &ring_spec, &ring_type) < 0 || add_type(m, "Message", &message_spec, &message_type) < 0 ||
        add_type(m, "Claim", &claim_spec, &claim_type) < 0 || add_type(m, "Producer", &producer_spec, NULL) < 0 ||
        add_type(m, "Consumer", &consumer_spec, NULL) < 0 || add_type(m, "BoardWriter", &writer_spec, NULL) < 0 ||
        add_type(m, "BoardReader", &reader_spec, NULL) < 0 || add_type(m, "CallRequest", &request_spec, &request_type) < 0 ||
        add_type(m, "CallClient", &client_spec, NULL) < 0 || add_type(m, "CallServer", &server_spec, NULL) < 0)
        return NULL;
    return m;
}
