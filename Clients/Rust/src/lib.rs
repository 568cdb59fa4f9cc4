//! Messages between processes through lock-free rings in shared memory. The other side may be a program in Rust, C, C++, Python or Swift.
//!
//! ```
//! # fn main() -> sharedring::Result<()> {
//! use sharedring::{EndpointOptions, Kind, Options, Ring};
//!
//! let ring = Ring::anonymous(Kind::Spsc, &Options::default())?;
//! let (mut producer, mut consumer) = (ring.producer(&EndpointOptions::default())?, ring.consumer(&EndpointOptions::default())?);
//! producer.send(b"hello", 0, None)?;
//! producer.close()?;
//! while let Some(message) = consumer.receive(None)? {
//!     assert_eq!(message.to_vec(), b"hello");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A named ring is `Ring::open_or_create("prices", …)`: another process opens it by that name.
#![warn(missing_docs)]

mod board;
mod client;
mod consumer;
mod error;
mod ffi;
mod producer;
mod ring;
mod server;

pub use board::{board_size, BoardReader, BoardWriter, Value};
pub use client::{CallError, Client, Draft, Outcome, Reply, Token};
pub use consumer::{Consumer, End, Ends, Message, Missed, Poll};
pub use error::{Code, Error, Result};
pub use producer::{Batch, Canceller, Claim, Producer};
pub use ring::{EndpointOptions, Facts, Kind, Options, Ring, Start, Waiting};
pub use server::{Request, Server};

#[cfg(test)]
mod tests {
    use crate::ffi;

    #[test]
    fn declarations_are_as_large_as_in_c() {
        let sizes = [
            std::mem::size_of::<ffi::Options>(),
            std::mem::size_of::<ffi::Endpoint>(),
            std::mem::size_of::<ffi::Batch>(),
            std::mem::size_of::<ffi::Msg>(),
            std::mem::size_of::<ffi::Facts>(),
            std::mem::size_of::<ffi::Stamp>(),
            std::mem::size_of::<ffi::End>(),
            std::mem::size_of::<ffi::Token>(),
            std::mem::size_of::<ffi::Reply>(),
            std::mem::size_of::<ffi::Request>(),
        ];
        for (which, size) in sizes.iter().enumerate() {
            // SAFETY: `which` is a row of the table.
            assert_eq!(*size, unsafe { ffi::shr_rs_size(which as i32) }, "declaration {}", which);
        }
    }
}
