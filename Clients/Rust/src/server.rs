//! Answering calls.

use crate::client::Token;
use crate::error::{check, Code, Error, Result};
use crate::ffi;
use crate::producer::{Canceller, Side};
use crate::ring::{nanoseconds, EndpointOptions, Ring};
use std::marker::PhantomData;
use std::os::unix::io::RawFd;
use std::time::Duration;

const EMPTY: i32 = 1;

/// Answers calls. Several servers share the work: each call is started by one of them.
///
/// ```
/// # use sharedring::*;
/// # fn main() -> Result<()> {
/// let service = Ring::anonymous(Kind::Call, &Options::default())?;
/// let (mut client, server) = (service.client(&EndpointOptions::default())?, service.server(&EndpointOptions::default())?);
/// client.post(b"ping")?;
/// let request = server.next(None)?;
/// assert_eq!(request.to_vec(), b"ping");
/// request.answer(b"pong")?;
/// assert_eq!(client.wait(None)?.to_vec(), b"pong");
/// # Ok(())
/// # }
/// ```
///
/// A request borrows its server, so it is answered before the server ends:
///
/// ```compile_fail
/// # use sharedring::*;
/// let service = Ring::anonymous(Kind::Call, &Options::default()).unwrap();
/// let server = service.server(&EndpointOptions::default()).unwrap();
/// let request = server.next(None).unwrap();
/// drop(server);
/// request.answer(b"late").unwrap();
/// ```
///
/// And it is answered once:
///
/// ```compile_fail
/// # use sharedring::*;
/// let service = Ring::anonymous(Kind::Call, &Options::default()).unwrap();
/// let server = service.server(&EndpointOptions::default()).unwrap();
/// let request = server.next(None).unwrap();
/// request.answer(b"one").unwrap();
/// request.answer(b"two").unwrap();
/// ```
///
/// One thread takes calls:
///
/// ```compile_fail
/// # use sharedring::*;
/// let service = Ring::anonymous(Kind::Call, &Options::default()).unwrap();
/// let server = service.server(&EndpointOptions::default()).unwrap();
/// std::thread::scope(|scope| {
///     scope.spawn(|| server.poll().is_ok());
/// });
/// ```
pub struct Server {
    raw: *mut ffi::Server,
    canceller: Canceller,
    not_sync: PhantomData<std::cell::Cell<()>>,
}

// SAFETY: calls are taken by one thread at a time, whichever it is; requests are answered from any.
unsafe impl Send for Server {}

impl Drop for Server {
    /// Ends the server in order. Calls that it has started and that were leaked fail as closed; the others wait for the next server.
    fn drop(&mut self) {
        self.canceller.detach();
        // SAFETY: opened by the C client, and closed once; no request is left, since each borrows the server.
        unsafe { ffi::shr_server_close(self.raw) }
    }
}

impl Ring {
    /// Becomes one of a call service's servers.
    pub fn server(&self, options: &EndpointOptions) -> Result<Server> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: all pointers live for the length of the call.
        check(unsafe { ffi::shr_server_open(self.handle.0, &options.stored(), &mut raw) })?;
        Ok(Server { raw, canceller: Canceller::new(raw as usize, Side::Server), not_sync: PhantomData })
    }
}

// SAFETY, for each call below: `raw` is open; this type is not `Sync`, so its owner's thread alone makes them, and they keep no reference.
impl Server {
    /// Its number among the service's servers.
    pub fn number(&self) -> u32 {
        unsafe { ffi::shr_server_number(self.raw) }
    }

    /// The next call, started, if there is one now.
    pub fn poll(&self) -> Result<Option<Request<'_>>> {
        self.take(0)
    }

    /// The next call, started: waits for it. Error: timed out, among others.
    pub fn next(&self, timeout: Option<Duration>) -> Result<Request<'_>> {
        self.take(nanoseconds(timeout))?.ok_or_else(|| Error::new(Code::TimedOut, "no call is there"))
    }

    fn take(&self, timeout_ns: i64) -> Result<Option<Request<'_>>> {
        let mut raw = ffi::Request::default();
        if check(unsafe { ffi::shr_server_next(self.raw, &mut raw, timeout_ns) })? == EMPTY {
            return Ok(None);
        }
        Ok(Some(Request { server: self, raw }))
    }

    /// Ends this server's waits from any thread.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// A descriptor for an event loop: readable at first, and whenever a call waits; see [`arm`](Server::arm). It is the server's: do not read or close it.
    pub fn descriptor(&self) -> Result<RawFd> {
        check(unsafe { ffi::shr_server_descriptor(self.raw) })
    }

    /// To be called when `poll` finds nothing: the descriptor stops being readable, and a thread waits. Until it is readable, `poll` finds nothing. Requests may be
    /// answered meanwhile.
    pub fn arm(&self) -> Result<()> {
        check(unsafe { ffi::shr_server_arm(self.raw) }).map(|_| ())
    }

    /// Takes the server back before a call came. The descriptor is readable then.
    pub fn disarm(&self) -> Result<()> {
        check(unsafe { ffi::shr_server_disarm(self.raw) }).map(|_| ())
    }
}

/// A call that a server has started: to be answered once, now or later, in any order, from any thread. Dropped without an answer, the call fails.
pub struct Request<'a> {
    server: &'a Server,
    raw: ffi::Request,
}

// SAFETY: of the server it uses what may be used from any thread; a request's own answer is given by the thread that has the request.
unsafe impl Send for Request<'_> {}

// SAFETY, for each call below: the server is open, since it is borrowed; slices live for the length of the call. What was answered is refused by C.
impl Request<'_> {
    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.raw.count
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.raw.count == 0
    }

    /// A copy of its bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.raw.count];
        self.copy_to(&mut bytes);
        bytes
    }

    /// Copies its first bytes, as many as there is room for. How many.
    pub fn copy_to(&self, bytes: &mut [u8]) -> usize {
        let count = bytes.len().min(self.raw.count);
        // SAFETY: the request has `count` bytes or more until it is answered, which consumes it; see `Message::copy_to`.
        unsafe { ffi::shr_rs_copy(bytes.as_mut_ptr().cast(), self.raw.bytes, count) };
        count
    }

    /// The bytes themselves.
    ///
    /// # Safety
    /// Those of a request of more than 48 bytes lie in memory that other processes have mapped. No other process may write them meanwhile: one that keeps the
    /// protocol does not. With clients that are not trusted, copy, and check the copy.
    pub unsafe fn as_slice(&self) -> &[u8] {
        std::slice::from_raw_parts(self.raw.bytes.cast(), self.raw.count)
    }

    /// The call's name: the first call's, if this one repeats it.
    pub fn token(&self) -> Token {
        Token(self.raw.token)
    }

    /// Whether the client says that this call repeats an earlier one.
    pub fn is_retry(&self) -> bool {
        self.raw.is_retry != 0
    }

    /// Whether the caller has given the call up: a hint, for a handler that takes long.
    pub fn is_given_up(&self) -> bool {
        unsafe { ffi::shr_is_given_up(self.server.raw, &self.raw) != 0 }
    }

    /// Answers with a copy of the bytes. Error: message too large, and the call fails.
    pub fn answer(self, bytes: &[u8]) -> Result<()> {
        check(unsafe { ffi::shr_answer(self.server.raw, &self.raw, bytes.as_ptr().cast(), bytes.len()) }).map(|_| ())
    }

    /// Refuses the request: the call fails with these bytes.
    pub fn refuse(self, bytes: &[u8]) -> Result<()> {
        check(unsafe { ffi::shr_refuse(self.server.raw, &self.raw, bytes.as_ptr().cast(), bytes.len()) }).map(|_| ())
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        // SAFETY: as above. Behind an answer it is refused, and changes nothing.
        unsafe { ffi::shr_drop(self.server.raw, &self.raw) };
    }
}
