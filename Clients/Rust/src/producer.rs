//! Sending.

use crate::error::{check, Code, Error, Result};
use crate::ffi;
use crate::ring::{nanoseconds, EndpointOptions, Ring};
use std::marker::PhantomData;
use std::os::raw::c_void;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const EMPTY: i32 = 1;

/// Ends the waits of an endpoint from any thread.
#[derive(Clone)]
pub struct Canceller {
    inner: Arc<Mutex<Option<(usize, Side)>>>,
}

#[derive(Clone, Copy)]
pub(crate) enum Side {
    Producer,
    Consumer,
    BoardReader,
    Client,
    Server,
}

impl Canceller {
    pub(crate) fn new(address: usize, side: Side) -> Canceller {
        Canceller { inner: Arc::new(Mutex::new(Some((address, side)))) }
    }

    /// The endpoint is about to go.
    pub(crate) fn detach(&self) {
        *self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
    }

    fn set(&self, cancelled: bool) {
        let inner = self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // SAFETY: the endpoint detaches under this lock before it goes; the C client allows this call from any thread.
        match *inner {
            Some((address, Side::Producer)) => unsafe { ffi::shr_producer_cancel(address as *mut _, cancelled as i32) },
            Some((address, Side::Consumer)) => unsafe { ffi::shr_consumer_cancel(address as *mut _, cancelled as i32) },
            Some((address, Side::BoardReader)) => unsafe { ffi::shr_board_reader_cancel(address as *mut _, cancelled as i32) },
            Some((address, Side::Client)) => unsafe { ffi::shr_client_cancel(address as *mut _, cancelled as i32) },
            Some((address, Side::Server)) => unsafe { ffi::shr_server_cancel(address as *mut _, cancelled as i32) },
            None => (),
        }
    }

    /// Ends the wait under way and those to come with `Cancelled`. Calls that need not wait go on.
    pub fn cancel(&self) {
        self.set(true)
    }

    /// Allows waits again.
    pub fn reset(&self) {
        self.set(false)
    }
}

/// The producer of a lane, or the publisher of a broadcast.
///
/// Dropped without [`close`](Producer::close), it died, as the other side sees it.
///
/// A claim borrows its producer, so nothing is sent in between:
///
/// ```compile_fail
/// # use sharedring::*;
/// let ring = Ring::anonymous(Kind::Spsc, &Options::default()).unwrap();
/// let mut producer = ring.producer(&EndpointOptions::default()).unwrap();
/// let claim = producer.claim(10, None).unwrap();
/// producer.send(b"in between", 0, None).unwrap();
/// claim.commit(0).unwrap();
/// ```
///
/// A claim is committed once:
///
/// ```compile_fail
/// # use sharedring::*;
/// let ring = Ring::anonymous(Kind::Spsc, &Options::default()).unwrap();
/// let mut producer = ring.producer(&EndpointOptions::default()).unwrap();
/// let claim = producer.claim(10, None).unwrap();
/// claim.commit(0).unwrap();
/// claim.commit(0).unwrap();
/// ```
///
/// A closed producer is gone:
///
/// ```compile_fail
/// # use sharedring::*;
/// let ring = Ring::anonymous(Kind::Spsc, &Options::default()).unwrap();
/// let mut producer = ring.producer(&EndpointOptions::default()).unwrap();
/// producer.close().unwrap();
/// producer.send(b"too late", 0, None).unwrap();
/// ```
///
/// Two threads do not use one at a time:
///
/// ```compile_fail
/// # use sharedring::*;
/// fn shared<T: Sync>(_: T) {}
/// let ring = Ring::anonymous(Kind::Spsc, &Options::default()).unwrap();
/// shared(ring.producer(&EndpointOptions::default()).unwrap());
/// ```
pub struct Producer {
    raw: *mut ffi::Producer,
    canceller: Canceller,
    not_sync: PhantomData<std::cell::Cell<()>>,
}

// SAFETY: used by one thread at a time, whichever it is.
unsafe impl Send for Producer {}

impl Drop for Producer {
    fn drop(&mut self) {
        self.canceller.detach();
        // SAFETY: opened by the C client; `close` leaves null, which is allowed.
        unsafe { ffi::shr_producer_drop(self.raw) }
    }
}

impl Ring {
    /// Becomes the producer of the first lane that is free, or the publisher of a broadcast.
    pub fn producer(&self, options: &EndpointOptions) -> Result<Producer> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: all pointers live for the length of the call.
        check(unsafe { ffi::shr_producer_open(self.handle.0, &options.stored(), &mut raw) })?;
        Ok(Producer { raw, canceller: Canceller::new(raw as usize, Side::Producer), not_sync: PhantomData })
    }
}

// SAFETY, for each call below: `raw` is open, and borrowed exclusively; slices live for the length of the call.
impl Producer {
    /// Ends the stream: the other side gets its end behind the last message.
    pub fn close(mut self) -> Result<()> {
        self.canceller.detach();
        let raw = std::mem::replace(&mut self.raw, std::ptr::null_mut());
        check(unsafe { ffi::shr_producer_close(raw) }).map(|_| ())
    }

    /// Sends a copy of the bytes, with a tag of the sender's own; waits for room, if need be.
    pub fn send(&mut self, bytes: &[u8], tag: u32, timeout: Option<Duration>) -> Result<()> {
        match check(unsafe { ffi::shr_rs_send(self.raw, bytes.as_ptr().cast(), bytes.len(), tag, nanoseconds(timeout)) })? {
            EMPTY => Err(Error::new(Code::TimedOut, "no room in the ring")),
            _ => Ok(()),
        }
    }

    /// The same if there is room now; false: there is none.
    pub fn try_send(&mut self, bytes: &[u8], tag: u32) -> Result<bool> {
        Ok(check(unsafe { ffi::shr_rs_send(self.raw, bytes.as_ptr().cast(), bytes.len(), tag, 0) })? != EMPTY)
    }

    /// Room for a message, to be written in place.
    pub fn claim(&mut self, count: usize, timeout: Option<Duration>) -> Result<Claim<'_>> {
        let mut place: *mut c_void = std::ptr::null_mut();
        match check(unsafe { ffi::shr_rs_claim(self.raw, count, &mut place, nanoseconds(timeout)) })? {
            EMPTY => Err(Error::new(Code::TimedOut, "no room in the ring")),
            _ => Ok(Claim { producer: self, place: place.cast(), count }),
        }
    }

    /// Messages that become visible together.
    pub fn batch(&mut self) -> Batch<'_> {
        let mut raw = ffi::Batch { producer: self.raw, start: std::ptr::null_mut(), place: std::ptr::null_mut(), first: 0, count: 0, bytes: 0 };
        unsafe { ffi::shr_rs_batch_begin(self.raw, &mut raw) };
        Batch { raw, producer: PhantomData }
    }

    /// Waits until everything that was sent is acknowledged.
    pub fn wait_acknowledged(&mut self, timeout: Option<Duration>) -> Result<()> {
        match check(unsafe { ffi::shr_wait_acknowledged(self.raw, nanoseconds(timeout)) })? {
            EMPTY => Err(Error::new(Code::TimedOut, "not everything is acknowledged")),
            _ => Ok(()),
        }
    }

    /// Waits until a consumer is attached, or so many subscribers of a broadcast.
    pub fn wait_consumers(&mut self, count: u32, timeout: Option<Duration>) -> Result<()> {
        match check(unsafe { ffi::shr_wait_consumers(self.raw, count, nanoseconds(timeout)) })? {
            EMPTY => Err(Error::new(Code::TimedOut, "no consumer is attached")),
            _ => Ok(()),
        }
    }

    /// Whether a consumer, or any subscriber, is attached.
    pub fn has_consumer(&mut self) -> bool {
        unsafe { ffi::shr_has_consumer(self.raw) != 0 }
    }

    /// The largest message that fits now.
    pub fn free_bytes(&mut self) -> u64 {
        unsafe { ffi::shr_free_bytes(self.raw) }
    }

    /// Ends this producer's waits from any thread.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }
}

/// Room for one message. Dropped without a commit, it sends nothing.
pub struct Claim<'a> {
    producer: &'a mut Producer,
    place: *mut u8,
    count: usize,
}

impl Claim<'_> {
    /// How many bytes were claimed.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none were.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Copies bytes to an offset. Panics if they reach beyond the claim, as a slice does.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        assert!(offset <= self.count && bytes.len() <= self.count - offset, "{} bytes at {} do not fit a claim of {}", bytes.len(), offset, self.count);
        // SAFETY: inside the claim, as was just asserted; the slice is this process's own, and so does not overlap.
        unsafe { ffi::shr_rs_copy(self.place.add(offset).cast(), bytes.as_ptr().cast(), bytes.len()) }
    }

    /// The bytes themselves.
    ///
    /// # Safety
    /// They lie in memory that other processes have mapped. No other process may write them meanwhile: one that keeps the protocol does not.
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        std::slice::from_raw_parts_mut(self.place, self.count)
    }

    /// Sends all of it.
    pub fn commit(self, tag: u32) -> Result<()> {
        let count = self.count;
        self.commit_bytes(count, tag)
    }

    /// Sends the first bytes of it.
    pub fn commit_bytes(self, count: usize, tag: u32) -> Result<()> {
        // SAFETY: as of `Producer`; the claim is consumed.
        check(unsafe { ffi::shr_rs_commit(self.producer.raw, count, tag) }).map(|_| ())
    }
}

/// Messages that become visible together. Dropped without a commit, it sends nothing.
pub struct Batch<'a> {
    raw: ffi::Batch,
    producer: PhantomData<&'a mut Producer>,
}

// SAFETY, for each call below: the batch borrows its producer exclusively; slices live for the length of the call.
impl Batch<'_> {
    /// Adds a message; where there is no room, commits what was added before, and waits.
    pub fn append(&mut self, bytes: &[u8], tag: u32, timeout: Option<Duration>) -> Result<()> {
        match check(unsafe { ffi::shr_batch_append(&mut self.raw, bytes.as_ptr().cast(), bytes.len(), tag, nanoseconds(timeout)) })? {
            EMPTY => Err(Error::new(Code::TimedOut, "no room in the ring")),
            _ => Ok(()),
        }
    }

    /// Adds a message if there is room now.
    pub fn try_append(&mut self, bytes: &[u8], tag: u32) -> Result<bool> {
        Ok(check(unsafe { ffi::shr_batch_try_append(&mut self.raw, bytes.as_ptr().cast(), bytes.len(), tag) })? != EMPTY)
    }

    /// Makes all of it visible.
    pub fn commit(mut self) -> Result<()> {
        check(unsafe { ffi::shr_batch_commit(&mut self.raw) }).map(|_| ())
    }
}
