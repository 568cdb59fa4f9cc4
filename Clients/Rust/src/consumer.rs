//! Receiving.

use crate::error::{check, Code, Error, Result};
use crate::ffi;
use crate::producer::{Canceller, Side};
use crate::ring::{nanoseconds, EndpointOptions, Ring};
use std::marker::PhantomData;
use std::os::unix::io::RawFd;
use std::time::Duration;

/// The consumer of a ring, or a subscriber of a broadcast.
///
/// Dropped without [`close`](Consumer::close), it died, as the other side sees it.
///
/// A message borrows its consumer, so it ends before the next one is received:
///
/// ```compile_fail
/// # use sharedring::*;
/// let ring = Ring::anonymous(Kind::Spsc, &Options::default()).unwrap();
/// let mut consumer = ring.consumer(&EndpointOptions::default()).unwrap();
/// let first = consumer.receive(None).unwrap().unwrap();
/// let second = consumer.receive(None).unwrap().unwrap();
/// println!("{} {}", first.len(), second.len());
/// ```
///
/// Nor does it outlive its consumer:
///
/// ```compile_fail
/// # use sharedring::*;
/// let ring = Ring::anonymous(Kind::Spsc, &Options::default()).unwrap();
/// let mut consumer = ring.consumer(&EndpointOptions::default()).unwrap();
/// let message = consumer.receive(None).unwrap().unwrap();
/// consumer.close().unwrap();
/// println!("{}", message.len());
/// ```
///
/// And nothing is acknowledged while it is read:
///
/// ```compile_fail
/// # use sharedring::*;
/// let ring = Ring::anonymous(Kind::Spsc, &Options::default()).unwrap();
/// let mut consumer = ring.consumer(&EndpointOptions::default()).unwrap();
/// let message = consumer.receive(None).unwrap().unwrap();
/// consumer.acknowledge().unwrap();
/// println!("{}", message.len());
/// ```
pub struct Consumer {
    raw: *mut ffi::Consumer,
    canceller: Canceller,
    not_sync: PhantomData<std::cell::Cell<()>>,
}

// SAFETY: used by one thread at a time, whichever it is.
unsafe impl Send for Consumer {}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.canceller.detach();
        // SAFETY: opened by the C client; `close` leaves null, which is allowed.
        unsafe { ffi::shr_consumer_drop(self.raw) }
    }
}

/// What a look found.
pub enum Poll<'a> {
    /// A message, in place.
    Message(Message<'a>),
    /// Nothing is there now.
    Empty,
    /// The stream has ended.
    Ended,
}

/// How producers have ended so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// In order.
    pub closed: u64,
    /// Without a close.
    pub died: u64,
}

/// How one producer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Its lane.
    pub lane: u32,
    /// It went away without closing.
    pub died: bool,
    /// What it had signed; 0: a successor has signed since.
    pub pid: u32,
    /// The name of its program.
    pub name: String,
}

/// What a lossy subscriber did not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Ring {
    /// Becomes the consumer, or a subscriber of a broadcast.
    pub fn consumer(&self, options: &EndpointOptions) -> Result<Consumer> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: all pointers live for the length of the call.
        check(unsafe { ffi::shr_consumer_open(self.handle.0, &options.stored(), &mut raw) })?;
        Ok(Consumer { raw, canceller: Canceller::new(raw as usize, Side::Consumer), not_sync: PhantomData })
    }
}

// SAFETY, for each call below: `raw` is open, and borrowed exclusively.
impl Consumer {
    fn receive_within(&mut self, timeout_ns: i64) -> Result<Poll<'_>> {
        let mut raw = ffi::Msg { bytes: std::ptr::null(), count: 0, tag: 0, lane: 0 };
        Ok(match check(unsafe { ffi::shr_rs_receive(self.raw, &mut raw, timeout_ns) })? {
            0 => Poll::Message(Message { consumer: self, raw }),
            1 => Poll::Empty,
            _ => Poll::Ended,
        })
    }

    /// The next message, if there is one now.
    pub fn poll(&mut self) -> Result<Poll<'_>> {
        self.receive_within(0)
    }

    /// Waits for the next message. `None`: the stream has ended.
    pub fn receive(&mut self, timeout: Option<Duration>) -> Result<Option<Message<'_>>> {
        match self.receive_within(nanoseconds(timeout))? {
            Poll::Message(message) => Ok(Some(message)),
            Poll::Ended => Ok(None),
            Poll::Empty => Err(Error::new(Code::TimedOut, "no message is there")),
        }
    }

    /// Calls the body with each message, to the end of the stream.
    pub fn for_each(&mut self, mut body: impl FnMut(&Message<'_>)) -> Result<()> {
        while let Some(message) = self.receive(None)? {
            body(&message);
        }
        Ok(())
    }

    /// Gives back the space of all that was handed out: with manual acknowledgement nothing else does.
    pub fn acknowledge(&mut self) -> Result<()> {
        check(unsafe { ffi::shr_acknowledge(self.raw) }).map(|_| ())
    }

    /// Ends the role in order. What was not acknowledged stays for the next consumer.
    pub fn close(mut self) -> Result<()> {
        self.canceller.detach();
        let raw = std::mem::replace(&mut self.raw, std::ptr::null_mut());
        check(unsafe { ffi::shr_consumer_close(raw) }).map(|_| ())
    }

    /// How producers have ended so far.
    pub fn ends(&self) -> Ends {
        let mut ends = ffi::Ends { closed: 0, died: 0 };
        unsafe { ffi::shr_ends(self.raw, &mut ends) };
        Ends { closed: ends.closed, died: ends.died }
    }

    /// The oldest end of a producer that was not taken. A wait with a timeout finds deaths within a check interval.
    pub fn next_end(&mut self) -> Result<Option<End>> {
        let mut end = ffi::End { lane: 0, died: 0, pid: 0, name: [0; 64] };
        if check(unsafe { ffi::shr_next_end(self.raw, &mut end) })? == 1 {
            return Ok(None);
        }
        let name: Vec<u8> = end.name.iter().take_while(|byte| **byte != 0).map(|byte| *byte as u8).collect();
        Ok(Some(End { lane: end.lane, died: end.died != 0, pid: end.pid, name: String::from_utf8_lossy(&name).into_owned() }))
    }

    /// What a lossy subscriber missed so far.
    pub fn missed(&self) -> Missed {
        let mut missed = Missed { messages: 0, bytes: 0 };
        unsafe { ffi::shr_missed(self.raw, &mut missed.messages, &mut missed.bytes) };
        missed
    }

    /// Waits until a producer is attached.
    pub fn wait_producer(&mut self, timeout: Option<Duration>) -> Result<()> {
        match check(unsafe { ffi::shr_wait_producer(self.raw, nanoseconds(timeout)) })? {
            1 => Err(Error::new(Code::TimedOut, "no producer is attached")),
            _ => Ok(()),
        }
    }

    /// Whether a producer is attached.
    pub fn has_producer(&mut self) -> bool {
        unsafe { ffi::shr_has_producer(self.raw) != 0 }
    }

    /// Removes the ring's name if everything is read and no other process is attached. Whether it is gone.
    pub fn remove_if_unused(&mut self) -> Result<bool> {
        Ok(check(unsafe { ffi::shr_remove_if_unused(self.raw) })? == 1)
    }

    /// Ends this consumer's waits from any thread.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// A descriptor for an event loop: readable at first, and whenever something waits; see [`arm`](Consumer::arm). It is the consumer's: do not read or close it.
    pub fn descriptor(&mut self) -> Result<RawFd> {
        check(unsafe { ffi::shr_consumer_descriptor(self.raw) })
    }

    /// To be called when `poll` answers `Empty`: the descriptor stops being readable, and a thread waits. Until it is readable, `poll` answers `Empty`.
    pub fn arm(&mut self) -> Result<()> {
        check(unsafe { ffi::shr_consumer_arm(self.raw) }).map(|_| ())
    }

    /// Takes the consumer back before anything came, after a timeout say: every call is allowed again, and nothing is lost. The descriptor is readable then.
    pub fn disarm(&mut self) -> Result<()> {
        check(unsafe { ffi::shr_consumer_disarm(self.raw) }).map(|_| ())
    }
}

/// A message in place. Its space is given back when this is dropped, unless that is manual.
pub struct Message<'a> {
    consumer: &'a mut Consumer,
    raw: ffi::Msg,
}

impl Message<'_> {
    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.raw.count
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.raw.count == 0
    }

    /// The sender's own.
    pub fn tag(&self) -> u32 {
        self.raw.tag
    }

    /// Which lane it came from.
    pub fn lane(&self) -> u32 {
        self.raw.lane
    }

    /// A copy of its bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = Vec::with_capacity(self.raw.count);
        // SAFETY: as in `copy_to`; there is room for `count` bytes, and all of them are written before they count.
        unsafe {
            ffi::shr_rs_copy(bytes.as_mut_ptr().cast(), self.raw.bytes, self.raw.count);
            bytes.set_len(self.raw.count);
        }
        bytes
    }

    /// Copies its first bytes, as many as there is room for. How many.
    pub fn copy_to(&self, bytes: &mut [u8]) -> usize {
        let count = bytes.len().min(self.raw.count);
        // SAFETY: the message has `count` bytes or more, in memory that is mapped as long as its consumer lives. The copy is C's: a peer that writes meanwhile is
        // no data race of Rust's, and what is checked in the copy is not read from the message again.
        unsafe { ffi::shr_rs_copy(bytes.as_mut_ptr().cast(), self.raw.bytes, count) };
        count
    }

    /// The bytes themselves.
    ///
    /// # Safety
    /// They lie in memory that other processes have mapped. No other process may write them meanwhile: one that keeps the protocol does not, until this message is
    /// dropped. With peers that are not trusted, copy, and check the copy.
    pub unsafe fn as_slice(&self) -> &[u8] {
        std::slice::from_raw_parts(self.raw.bytes.cast(), self.raw.count)
    }

    /// The next call hands it out again.
    pub fn put_back(self) {
        // SAFETY: the message is the one that is out: it borrows its consumer. (What `drop` releases is out no more then.)
        unsafe { ffi::shr_put_back(self.consumer.raw) }
    }
}

impl Drop for Message<'_> {
    fn drop(&mut self) {
        // SAFETY: as above; null only behind `close`, which consumes the consumer.
        unsafe { ffi::shr_release(self.consumer.raw) }
    }
}
