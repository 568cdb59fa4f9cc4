//! What a call that failed says.

use crate::ffi;
use std::ffi::CStr;
use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:expr, $text:expr;)*) => {
        /// Which error it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            fn of(number: i32) -> Code {
                match number { $($number => Code::$name,)* _ => Code::System }
            }

            /// The name that every language has for it: `"peerDied"`.
            pub fn name(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// A name that no ring can have.
    InvalidName = -1, "invalidName";
    /// An option that no ring can have.
    InvalidOption = -2, "invalidOption";
    /// There is no ring of that name.
    NotFound = -3, "notFound";
    /// There is something of that name already.
    AlreadyExists = -4, "alreadyExists";
    /// What is there is no ring.
    NotARing = -5, "notARing";
    /// What is there was a ring, and its header is damaged.
    Damaged = -6, "damaged";
    /// Another version or kind, or one that needs what this system does not have.
    Incompatible = -7, "incompatible";
    /// The ring belongs to another user.
    WrongOwner = -8, "wrongOwner";
    /// There is no memory for the ring.
    OutOfSpace = -9, "outOfSpace";
    /// The ring is there, with another shape than it must have.
    DifferentShape = -10, "differentShape";
    /// Another process uses it.
    InUse = -11, "inUse";
    /// It was removed and made anew since it was opened.
    Replaced = -12, "replaced";
    /// The memory of this descriptor can be truncated.
    NotSealed = -13, "notSealed";
    /// The machine was restarted while the ring was in use.
    NotFlushed = -14, "notFlushed";
    /// Another process has this role; the message names it.
    RoleTaken = -15, "roleTaken";
    /// The board has no entry with that key.
    EntryNotFound = -16, "entryNotFound";
    /// The board has no room for another entry.
    BoardFull = -17, "boardFull";
    /// The value was written anew each time it was read.
    WriterTooFast = -18, "writerTooFast";
    /// The message is larger than the largest of this ring.
    MessageTooLarge = -19, "messageTooLarge";
    /// The timeout passed.
    TimedOut = -20, "timedOut";
    /// The wait was cancelled.
    Cancelled = -21, "cancelled";
    /// The descriptor is armed: a thread waits.
    AlreadyWaiting = -22, "alreadyWaiting";
    /// The other side went away without closing.
    PeerDied = -23, "peerDied";
    /// The other side closed.
    PeerClosed = -24, "peerClosed";
    /// Another process wrote what no producer or consumer writes.
    Poisoned = -25, "poisoned";
    /// It belongs to the parent of this forked process.
    Forked = -26, "forked";
    /// It was closed before.
    Closed = -27, "ended";
    /// Calls in an order that makes no sense.
    Misuse = -28, "misuse";
    /// The system refused; `errno` says why.
    System = -29, "system";
    /// The service has no reply; the outcome says why.
    CallFailed = -30, "callFailed";
}

/// A failure: its code, the system's error number behind it, and one sentence with what was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: Code,
    errno: Option<i32>,
    message: String,
}

impl Error {
    /// This thread's last failure, which had this code.
    pub(crate) fn last(number: i32) -> Error {
        // SAFETY: the text is this thread's until its next failure, and is copied here.
        let (message, errno) = unsafe { (CStr::from_ptr(ffi::shr_message()).to_string_lossy().into_owned(), ffi::shr_errno()) };
        Error { code: Code::of(number), errno: Some(errno).filter(|number| *number != 0), message }
    }

    pub(crate) fn new(code: Code, message: &str) -> Error {
        Error { code, errno: None, message: message.into() }
    }

    /// Which error it is.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The system's error number behind it.
    pub fn errno(&self) -> Option<i32> {
        self.errno
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The result of a call that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// 0 or more, or the failure of this thread.
pub(crate) fn check(code: i32) -> Result<i32> {
    if code < 0 {
        Err(Error::last(code))
    } else {
        Ok(code)
    }
}
