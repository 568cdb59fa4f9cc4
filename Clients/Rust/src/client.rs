//! Making calls: requests to a service, and their replies.

use crate::error::{check, Code, Error, Result};
use crate::ffi;
use crate::producer::{Canceller, Side};
use crate::ring::{nanoseconds, text, EndpointOptions, Ring};
use std::ffi::CStr;
use std::fmt;
use std::marker::PhantomData;
use std::os::unix::io::RawFd;
use std::str::FromStr;
use std::time::Duration;

const EMPTY: i32 = 1;

/// Names one call: by the segment, the slot and the call's number in the slot.
///
/// A call whose outcome is unknown, or that is still open, may be made again with the first one's token. A service that keeps tokens with its results finds out
/// then that it has carried the request out before; the library keeps none. A slot's numbers begin anew after 2^32 calls: keep tokens for a time, not for ever.
///
/// As text it is the same in every language: `token.to_string()`, and `text.parse::<Token>()`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(pub(crate) ffi::Token);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; ffi::TOKEN_TEXT];
        // SAFETY: the text has the room that the call needs, and ends with a NUL behind it.
        let text = unsafe {
            ffi::shr_token_text(&self.0, text.as_mut_ptr());
            CStr::from_ptr(text.as_ptr())
        };
        f.write_str(&text.to_string_lossy())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self)
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(string: &str) -> Result<Token> {
        let string = text(string.as_bytes(), "a token")?;
        let mut token = ffi::Token::default();
        // SAFETY: both live for the length of the call.
        check(unsafe { ffi::shr_token_parse(string.as_ptr(), &mut token) })?;
        Ok(Token(token))
    }
}

/// What is known of a request that brought no reply. A service carries a request out at most once, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Failed: the service refused it, with bytes of its own.
    Refused,
    /// Failed: the server let go of it without an answer.
    Dropped,
    /// Failed: the server closed before it answered.
    Closed,
    /// Failed: the request was impossible for the server.
    Malformed,
    /// It was not carried out, and never will be.
    NotExecuted,
    /// A server started it and has gone: it may have been carried out, in part or wholly.
    Unknown,
    /// It was given up when a server had started it: it may be carried out yet.
    StillOpen,
}

impl Outcome {
    fn of(number: i32) -> Outcome {
        match number {
            1 => Outcome::Refused,
            2 => Outcome::Dropped,
            3 => Outcome::Closed,
            4 => Outcome::Malformed,
            5 => Outcome::NotExecuted,
            6 => Outcome::Unknown,
            _ => Outcome::StillOpen,
        }
    }

    /// The words that every language has for it: `"was not executed"`.
    pub fn name(self) -> &'static str {
        // SAFETY: a constant text.
        unsafe { CStr::from_ptr(ffi::shr_outcome_name(self as i32 + 1)) }.to_str().unwrap_or("")
    }
}

/// How a call ended that brought no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// What is known of the request: what a program decides by.
    pub outcome: Outcome,
    /// What ended the call: timed out, cancelled, call failed, peer died, ….
    pub error: Error,
    /// The call's name, for a retry; `None`: no request was made.
    pub token: Option<Token>,
    /// The service's bytes with a refusal; else empty.
    pub refusal: Vec<u8>,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for CallError {}

impl From<CallError> for Error {
    fn from(error: CallError) -> Error {
        error.error
    }
}

fn copy_of(bytes: *const std::os::raw::c_void, count: usize) -> Vec<u8> {
    let mut copy: Vec<u8> = Vec::with_capacity(count);
    // SAFETY: the caller has `count` bytes there, in memory that is mapped; the copy is C's, as in `Message::copy_to`, and is written in full before it counts.
    unsafe {
        ffi::shr_rs_copy(copy.as_mut_ptr().cast(), bytes, count);
        copy.set_len(count);
    }
    copy
}

/// Makes calls, one at a time: a client for each thread that calls.
///
/// A reply borrows its client, so it ends before the next call is made:
///
/// ```compile_fail
/// # use sharedring::*;
/// let service = Ring::anonymous(Kind::Call, &Options::default()).unwrap();
/// let mut client = service.client(&EndpointOptions::default()).unwrap();
/// let first = client.call(b"one", None).unwrap();
/// let second = client.call(b"two", None).unwrap();
/// println!("{} {}", first.len(), second.len());
/// ```
///
/// Nor does it outlive its client:
///
/// ```compile_fail
/// # use sharedring::*;
/// let service = Ring::anonymous(Kind::Call, &Options::default()).unwrap();
/// let mut client = service.client(&EndpointOptions::default()).unwrap();
/// let reply = client.call(b"one", None).unwrap();
/// drop(client);
/// println!("{}", reply.len());
/// ```
///
/// And a request that is written in place is the only use of its client:
///
/// ```compile_fail
/// # use sharedring::*;
/// let service = Ring::anonymous(Kind::Call, &Options::default()).unwrap();
/// let mut client = service.client(&EndpointOptions::default()).unwrap();
/// let draft = client.draft(100, None).unwrap();
/// client.call(b"two", None).unwrap();
/// draft.call(None).unwrap();
/// ```
///
/// This compiles, and so do the others without their last use:
///
/// ```
/// # use sharedring::*;
/// let service = Ring::anonymous(Kind::Call, &Options::default()).unwrap();
/// let mut client = service.client(&EndpointOptions::default()).unwrap();
/// let error = client.call(b"one", Some(std::time::Duration::ZERO)).err().unwrap();
/// assert_eq!(error.outcome, Outcome::NotExecuted);
/// assert_eq!(error.error.code(), Code::TimedOut);
/// ```
pub struct Client {
    raw: *mut ffi::Client,
    canceller: Canceller,
    not_sync: PhantomData<std::cell::Cell<()>>,
}

// SAFETY: used by one thread at a time, whichever it is.
unsafe impl Send for Client {}

impl Drop for Client {
    /// A call that was posted is withdrawn, or given up.
    fn drop(&mut self) {
        self.canceller.detach();
        // SAFETY: opened by the C client, and closed once.
        unsafe { ffi::shr_client_close(self.raw) }
    }
}

impl Ring {
    /// Becomes a client of a call service: it takes one of the service's slots.
    pub fn client(&self, options: &EndpointOptions) -> Result<Client> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: all pointers live for the length of the call.
        check(unsafe { ffi::shr_client_open(self.handle.0, &options.stored(), &mut raw) })?;
        Ok(Client { raw, canceller: Canceller::new(raw as usize, Side::Client), not_sync: PhantomData })
    }
}

// SAFETY, for each call below: `raw` is open, and borrowed exclusively; slices live for the length of the call.
impl Client {
    /// Makes a call with a copy of the bytes, and waits for the reply.
    ///
    /// At the deadline the call is withdrawn, if no server has started it; otherwise it is still open, and the next call waits until that is over. A timeout of 0:
    /// it is withdrawn if there is no answer at once.
    pub fn call(&mut self, bytes: &[u8], timeout: Option<Duration>) -> std::result::Result<Reply<'_>, CallError> {
        self.make(bytes, None, timeout)
    }

    /// Makes a call that repeats an earlier one.
    pub fn retry(&mut self, bytes: &[u8], first: &Token, timeout: Option<Duration>) -> std::result::Result<Reply<'_>, CallError> {
        self.make(bytes, Some(first), timeout)
    }

    fn make(&mut self, bytes: &[u8], first: Option<&Token>, timeout: Option<Duration>) -> std::result::Result<Reply<'_>, CallError> {
        let mut reply = ffi::Reply::default();
        let first = first.map_or(std::ptr::null(), |token| &token.0 as *const _);
        let result = unsafe { ffi::shr_call(self.raw, bytes.as_ptr().cast(), bytes.len(), first, &mut reply, nanoseconds(timeout)) };
        Reply::of(result, reply)
    }

    /// Room for a request of at most so many bytes, to be written in place.
    pub fn draft(&mut self, count: usize, timeout: Option<Duration>) -> Result<Draft<'_>> {
        self.try_draft(count, timeout)?.ok_or_else(|| Error::new(Code::TimedOut, "the slot is in use by an earlier call"))
    }

    fn try_draft(&mut self, count: usize, timeout: Option<Duration>) -> Result<Option<Draft<'_>>> {
        let mut place = std::ptr::null_mut();
        if check(unsafe { ffi::shr_call_begin(self.raw, count, &mut place, nanoseconds(timeout)) })? == EMPTY {
            return Ok(None);
        }
        Ok(Some(Draft { client: self, place: place.cast(), count }))
    }

    /// For an event loop: makes the request, and does not wait; see [`poll`](Client::poll). Whether it was made: the slot may be in use by an earlier call that was
    /// given up, and then the descriptor says when it is free.
    pub fn post(&mut self, bytes: &[u8]) -> Result<bool> {
        match self.try_draft(bytes.len(), Some(Duration::ZERO))? {
            None => Ok(false),
            Some(mut draft) => {
                draft.write(0, bytes);
                draft.post()?;
                Ok(true)
            }
        }
    }

    /// The reply to the request that was posted, if the call is over.
    pub fn poll(&mut self) -> std::result::Result<Option<Reply<'_>>, CallError> {
        let mut reply = ffi::Reply::default();
        let result = unsafe { ffi::shr_call_poll(self.raw, &mut reply) };
        if result == EMPTY {
            return Ok(None);
        }
        Reply::of(result, reply).map(Some)
    }

    /// Waits for the reply to the request that was posted.
    pub fn wait(&mut self, timeout: Option<Duration>) -> std::result::Result<Reply<'_>, CallError> {
        let mut reply = ffi::Reply::default();
        // A timeout of 0 ends the call, as that of `call` does.
        let timeout = nanoseconds(timeout);
        let result = unsafe { ffi::shr_call_wait(self.raw, &mut reply, if timeout == 0 { 1 } else { timeout }) };
        Reply::of(result, reply)
    }

    /// Ends the call that was posted: the reply, if there is one after all.
    pub fn give_up(&mut self) -> std::result::Result<Reply<'_>, CallError> {
        let mut reply = ffi::Reply::default();
        let result = unsafe { ffi::shr_call_give_up(self.raw, &mut reply) };
        Reply::of(result, reply)
    }

    /// Ends this client's calls from any thread.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// A descriptor for an event loop: readable at first, when the call that was posted is over, and when the next one can be posted. It is the client's: do not
    /// read or close it.
    pub fn descriptor(&mut self) -> Result<RawFd> {
        check(unsafe { ffi::shr_client_descriptor(self.raw) })
    }

    /// To be called when `poll` finds nothing: the descriptor stops being readable, and a thread waits.
    pub fn arm(&mut self) -> Result<()> {
        check(unsafe { ffi::shr_client_arm(self.raw) }).map(|_| ())
    }

    /// Takes the client back before anything came. The descriptor is readable then.
    pub fn disarm(&mut self) -> Result<()> {
        check(unsafe { ffi::shr_client_disarm(self.raw) }).map(|_| ())
    }
}

/// Room for one request. Dropped without a call, it makes none.
pub struct Draft<'a> {
    client: &'a mut Client,
    place: *mut u8,
    count: usize,
}

impl<'a> Draft<'a> {
    /// How many bytes there is room for.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is room for none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Copies bytes to an offset. Panics if they reach beyond the room, as a slice does.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        assert!(offset <= self.count && bytes.len() <= self.count - offset, "{} bytes at {} do not fit a request of {}", bytes.len(), offset, self.count);
        // SAFETY: inside the room, as was just asserted; the slice is this process's own, and so does not overlap.
        unsafe { ffi::shr_rs_copy(self.place.add(offset).cast(), bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Makes the call with all of it, and waits for the reply.
    pub fn call(self, timeout: Option<Duration>) -> std::result::Result<Reply<'a>, CallError> {
        let client = self.client;
        // SAFETY: as of `Client`; the draft is consumed.
        let result = unsafe { ffi::shr_call_post(client.raw, self.count, std::ptr::null()) };
        if let Err(error) = check(result) {
            return Err(CallError { outcome: Outcome::NotExecuted, error, token: None, refusal: Vec::new() });
        }
        client.wait(timeout)
    }

    /// Makes the request with all of it, and does not wait.
    pub fn post(self) -> Result<()> {
        // SAFETY: as above.
        check(unsafe { ffi::shr_call_post(self.client.raw, self.count, std::ptr::null()) }).map(|_| ())
    }
}

/// A reply in place. The client's slot is used again when this is dropped.
pub struct Reply<'a> {
    raw: ffi::Reply,
    client: PhantomData<&'a mut Client>,
}

impl<'a> Reply<'a> {
    fn of(result: i32, raw: ffi::Reply) -> std::result::Result<Reply<'a>, CallError> {
        if result >= 0 {
            return Ok(Reply { raw, client: PhantomData });
        }
        let error = Error::last(result);
        let refusal = if raw.bytes.is_null() { Vec::new() } else { copy_of(raw.bytes, raw.count) };
        Err(CallError { outcome: Outcome::of(raw.outcome), error, token: Some(Token(raw.token)).filter(|_| raw.has_token != 0), refusal })
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.raw.count
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.raw.count == 0
    }

    /// The call's name.
    pub fn token(&self) -> Token {
        Token(self.raw.token)
    }

    /// A copy of its bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        copy_of(self.raw.bytes, self.raw.count)
    }

    /// Copies its first bytes, as many as there is room for. How many.
    pub fn copy_to(&self, bytes: &mut [u8]) -> usize {
        let count = bytes.len().min(self.raw.count);
        // SAFETY: the reply has `count` bytes or more, in memory that is mapped as long as its client lives; see `Message::copy_to`.
        unsafe { ffi::shr_rs_copy(bytes.as_mut_ptr().cast(), self.raw.bytes, count) };
        count
    }

    /// The bytes themselves.
    ///
    /// # Safety
    /// They lie in memory that other processes have mapped. No other process may write them meanwhile: one that keeps the protocol does not. With servers that are
    /// not trusted, copy, and check the copy.
    pub unsafe fn as_slice(&self) -> &[u8] {
        std::slice::from_raw_parts(self.raw.bytes.cast(), self.raw.count)
    }
}
