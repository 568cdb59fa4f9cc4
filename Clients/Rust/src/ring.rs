//! Rings: found, made, removed.

use crate::error::{check, Code, Error, Result};
use crate::ffi;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::os::raw::c_int;
use std::os::unix::io::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One producer, one consumer.
    Spsc = 1,
    /// A lane for each producer, one consumer.
    Mpsc = 2,
    /// One publisher; every subscriber gets every message.
    Broadcast = 3,
    /// The latest value of each key.
    Board = 4,
    /// Clients, whose requests servers answer.
    Call = 5,
}

/// How a ring is made or found. A value of 0 stands for the default in brackets.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where named segments stand [`/dev/shm`].
    pub directory: Option<PathBuf>,
    /// For people, at most 63 bytes.
    pub label: String,
    /// Bytes of each lane, rounded up to a power of two and a page [twice the second-level cache, from 1 to 8 MiB]; of a board: of all values, see
    /// [`board_size`](crate::board_size) [1 MiB].
    pub capacity: u64,
    /// MPSC: producers at a time, 1 to 1,024 [16].
    pub lanes: u32,
    /// Broadcast: reliable subscribers at a time, 1 to 256 [16].
    pub subscribers: u32,
    /// Board: 1 to 4,096 [64].
    pub entries: u32,
    /// Calls: clients at a time, 1 to 1,024 [64].
    pub clients: u32,
    /// Calls: servers at a time, 1 to 64 [8].
    pub servers: u32,
    /// Calls: bytes of the largest request, up to 2^27; 48 always fit [4,096].
    pub request_capacity: u32,
    /// Calls: bytes of the largest reply, up to 2^27; 48 always fit [4,096].
    pub reply_capacity: u32,
    /// 8, 16, 32, 64 or 128 [8].
    pub record_alignment: u32,
    /// Of the file [0o600].
    pub permissions: u32,
    /// MPSC: one order over all lanes, which respects real time.
    pub total_order: bool,
    /// Board: each value has the time of its writing.
    pub keeps_time: bool,
    /// A full barrier in every send: where `membarrier(2)` is forbidden.
    pub symmetric_barrier: bool,
    /// Segments of any user may be used.
    pub any_owner: bool,
    /// The ring lies on a disk and outlives a restart.
    pub durable: bool,
    /// Attach to a durable ring that was in use when the machine went down.
    pub accepts_unflushed: bool,
    /// Consumers that remove what they have read leave it.
    pub persistent: bool,
    /// `open_or_create` refuses a segment of another shape: capacity, counts, order or alignment.
    pub must_match: bool,
}

pub(crate) fn text(text: &[u8], what: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::new(Code::InvalidName, &format!("{} must not contain a NUL byte", what)))
}

impl Options {
    fn with<T>(&self, body: impl FnOnce(*const ffi::Options) -> T) -> Result<T> {
        let directory = self.directory.as_ref().map(|path| text(path.as_os_str().as_bytes(), "a directory")).transpose()?;
        let label = text(self.label.as_bytes(), "a label")?;
        let options = ffi::Options {
            directory: directory.as_ref().map_or(ptr::null(), |text| text.as_ptr()),
            label: label.as_ptr(),
            capacity: self.capacity,
            lanes: self.lanes,
            subscribers: self.subscribers,
            entries: self.entries,
            clients: self.clients,
            servers: self.servers,
            request_capacity: self.request_capacity,
            reply_capacity: self.reply_capacity,
            record_alignment: self.record_alignment,
            permissions: self.permissions,
            total_order: self.total_order as c_int,
            keeps_time: self.keeps_time as c_int,
            barrier: if self.symmetric_barrier { 2 } else { 0 },
            owners: self.any_owner as c_int,
            durable: self.durable as c_int,
            accepts_unflushed: self.accepts_unflushed as c_int,
            persistent: self.persistent as c_int,
            must_match: self.must_match as c_int,
            first_position: 0,
        };
        Ok(body(&options))
    }
}

/// How an endpoint waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Spins for some 50 microseconds, then sleeps.
    Adaptive = 0,
    /// Never sleeps: a processor core of its own.
    Spin = 1,
    /// Sleeps at once: the least processor time.
    Sleep = 2,
}

/// Where a subscriber begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what is sent from now on.
    Now,
    /// With what is still there.
    Oldest,
    /// With the last so many messages.
    Last(u32),
}

/// How an endpoint behaves.
#[derive(Clone, Debug)]
pub struct EndpointOptions {
    /// How it waits.
    pub waiting: Waiting,
    /// Consumers: space is given back by `acknowledge` alone.
    pub manual: bool,
    /// How often a sleeper checks whether its peer lives.
    pub check_interval: Duration,
    /// MPSC consumers: messages of a lane before the others get their turn; 0: 256.
    pub budget: u32,
    /// All pages are mapped now.
    pub prefault: bool,
    /// Consumers: the data is mapped for reading only.
    pub read_only: bool,
    /// MPSC consumers: the end is when so many producers or more have come and all have gone; 0: never.
    pub ends: u32,
    /// Producers count that were reported to an earlier consumer.
    pub ends_since_made: bool,
    /// Subscribers: the publisher never waits for this one, which counts what it missed.
    pub lossy: bool,
    /// Subscribers: where to begin.
    pub start: Start,
}

impl Default for EndpointOptions {
    fn default() -> Self {
        EndpointOptions {
            waiting: Waiting::Adaptive,
            manual: false,
            check_interval: Duration::from_millis(100),
            budget: 0,
            prefault: false,
            read_only: false,
            ends: 0,
            ends_since_made: false,
            lossy: false,
            start: Start::Now,
        }
    }
}

impl EndpointOptions {
    pub(crate) fn stored(&self) -> ffi::Endpoint {
        ffi::Endpoint {
            waiting: self.waiting as c_int,
            manual: self.manual as c_int,
            check_interval_ns: nanoseconds(Some(self.check_interval)).max(1),
            budget: self.budget,
            prefault: self.prefault as c_int,
            read_only: self.read_only as c_int,
            ends: self.ends.min(c_int::MAX as u32) as c_int,
            ends_since_made: self.ends_since_made as c_int,
            lossy: self.lossy as c_int,
            from: match self.start {
                Start::Now | Start::Last(0) => -1,
                Start::Oldest => -2,
                Start::Last(count) => i64::from(count),
            },
            polling_ns: 0,
            interrupted: None,
            context: ptr::null_mut(),
        }
    }
}

/// A timeout as C has it; `None`: for ever.
pub(crate) fn nanoseconds(timeout: Option<Duration>) -> i64 {
    timeout.map_or(-1, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

pub(crate) struct Handle(pub(crate) *mut ffi::Ring);

// SAFETY: a ring's handle is not changed after it was made; the C client allows its use from many threads.
unsafe impl Send for Handle {}
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: made by the C client, and closed once.
        unsafe { ffi::shr_ring_close(self.0) }
    }
}

/// What a ring is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// Its kind.
    pub kind: Kind,
    /// Lanes; 0 of a board.
    pub lanes: u32,
    /// Reliable subscribers at a time.
    pub subscribers: u32,
    /// Entries that a board can have.
    pub entries: u32,
    /// Clients that a call service can have at a time.
    pub clients: u32,
    /// Servers that a call service can have at a time.
    pub servers: u32,
    /// Bytes of a call service's largest request.
    pub request_capacity: u32,
    /// Bytes of a call service's largest reply.
    pub reply_capacity: u32,
    /// Where records stand.
    pub record_alignment: u32,
    /// Whether there is one order over all lanes.
    pub total_order: bool,
    /// Bytes of a lane.
    pub capacity: u64,
    /// Bytes; 0 of a board.
    pub largest_message: u64,
    /// Whether a board's values have times.
    pub keeps_time: bool,
}

/// A ring, board or call service: found by its name, or made. Cheap to clone; may be used by many threads.
#[derive(Clone)]
pub struct Ring {
    pub(crate) handle: Arc<Handle>,
}

type Making = unsafe extern "C" fn(*const std::os::raw::c_char, c_int, *const ffi::Options, *mut *mut ffi::Ring) -> c_int;

impl Ring {
    fn make(name: impl AsRef<OsStr>, kind: Kind, options: &Options, make: Making) -> Result<Ring> {
        let name = text(name.as_ref().as_bytes(), "a name")?;
        let mut ring = ptr::null_mut();
        // SAFETY: all pointers live for the length of the call.
        check(options.with(|options| unsafe { make(name.as_ptr(), kind as c_int, options, &mut ring) })?)?;
        Ok(Ring { handle: Arc::new(Handle(ring)) })
    }

    /// Finds a ring by its name: bytes, which need not be UTF-8.
    pub fn open(name: impl AsRef<OsStr>, kind: Kind, options: &Options) -> Result<Ring> {
        Ring::make(name, kind, options, ffi::shr_open)
    }

    /// Makes a ring.
    pub fn create(name: impl AsRef<OsStr>, kind: Kind, options: &Options) -> Result<Ring> {
        Ring::make(name, kind, options, ffi::shr_create)
    }

    /// Finds it or makes it, and makes it again for an endpoint that finds it removed.
    pub fn open_or_create(name: impl AsRef<OsStr>, kind: Kind, options: &Options) -> Result<Ring> {
        Ring::make(name, kind, options, ffi::shr_open_or_create)
    }

    /// Makes a ring without a name. Other processes get it as a descriptor.
    pub fn anonymous(kind: Kind, options: &Options) -> Result<Ring> {
        let mut ring = ptr::null_mut();
        // SAFETY: all pointers live for the length of the call.
        check(options.with(|options| unsafe { ffi::shr_create_anonymous(kind as c_int, options, &mut ring) })?)?;
        Ok(Ring { handle: Arc::new(Handle(ring)) })
    }

    /// Finds the ring behind a descriptor.
    pub fn from_descriptor(descriptor: BorrowedFd<'_>, kind: Kind, options: &Options) -> Result<Ring> {
        let mut ring = ptr::null_mut();
        // SAFETY: as above.
        check(options.with(|options| unsafe { ffi::shr_open_descriptor(descriptor.as_raw_fd(), kind as c_int, options, &mut ring) })?)?;
        Ok(Ring { handle: Arc::new(Handle(ring)) })
    }

    /// A new descriptor of an anonymous ring. `inheritable`: it survives exec.
    pub fn descriptor(&self, inheritable: bool) -> Result<OwnedFd> {
        // SAFETY: the handle lives; the descriptor is new, and this side's alone.
        unsafe { check(ffi::shr_ring_descriptor(self.handle.0, inheritable as c_int)).map(|number| OwnedFd::from_raw_fd(number)) }
    }

    /// What the ring is.
    pub fn facts(&self) -> Facts {
        // SAFETY: plain numbers, which the call fills in.
        let facts = unsafe {
            let mut facts: ffi::Facts = std::mem::zeroed();
            ffi::shr_ring_facts(self.handle.0, &mut facts);
            facts
        };
        Facts {
            kind: [Kind::Spsc, Kind::Mpsc, Kind::Broadcast, Kind::Board, Kind::Call][(facts.kind as usize - 1) % 5],
            lanes: facts.lanes,
            subscribers: facts.subscribers,
            entries: facts.entries,
            clients: facts.clients,
            servers: facts.servers,
            request_capacity: facts.request_capacity,
            reply_capacity: facts.reply_capacity,
            record_alignment: facts.record_alignment,
            total_order: facts.total_order != 0,
            capacity: facts.capacity,
            largest_message: facts.largest_message,
            keeps_time: facts.keeps_time != 0,
        }
    }

    /// Takes the name of a ring, board or call service away, if no process is attached.
    pub fn remove(name: impl AsRef<OsStr>, options: &Options) -> Result<()> {
        let name = text(name.as_ref().as_bytes(), "a name")?;
        // SAFETY: all pointers live for the length of the call.
        check(options.with(|options| unsafe { ffi::shr_remove(name.as_ptr(), options) })?).map(|_| ())
    }

    /// Brings a durable ring that no process is attached to to its disk.
    pub fn flush(name: impl AsRef<OsStr>, options: &Options) -> Result<()> {
        let name = text(name.as_ref().as_bytes(), "a name")?;
        // SAFETY: as above.
        check(options.with(|options| unsafe { ffi::shr_flush(name.as_ptr(), options) })?).map(|_| ())
    }
}
