//! The latest value of each key.

use crate::error::{check, Code, Error, Result};
use crate::ffi;
use crate::producer::{Canceller, Side};
use crate::ring::{nanoseconds, text, EndpointOptions, Ring};
use std::marker::PhantomData;
use std::os::unix::io::RawFd;
use std::time::Duration;

/// What one entry of that capacity takes of a board's capacity, in bytes.
pub fn board_size(capacity: u64, keeps_time: bool) -> u64 {
    // SAFETY: arithmetic.
    unsafe { ffi::shr_board_size(capacity, keeps_time as i32) }
}

/// A copy of an entry's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How often the entry was set.
    pub version: u64,
    /// The writer's own.
    pub tag: u32,
    /// Nanoseconds since 1970 of its writing; 0 if the board keeps none.
    pub time_ns: i64,
}

/// Sets one entry. One process at a time is its writer.
pub struct BoardWriter {
    raw: *mut ffi::BoardWriter,
    not_sync: PhantomData<std::cell::Cell<()>>,
}

/// Reads a board, and disturbs no other process.
pub struct BoardReader {
    raw: *mut ffi::BoardReader,
    canceller: Canceller,
    not_sync: PhantomData<std::cell::Cell<()>>,
}

// SAFETY: both are used by one thread at a time, whichever it is.
unsafe impl Send for BoardWriter {}
unsafe impl Send for BoardReader {}

impl Drop for BoardWriter {
    fn drop(&mut self) {
        // SAFETY: opened by the C client, and closed once.
        unsafe { ffi::shr_board_writer_close(self.raw) }
    }
}

impl Drop for BoardReader {
    fn drop(&mut self) {
        self.canceller.detach();
        // SAFETY: opened by the C client, and closed once.
        unsafe { ffi::shr_board_reader_close(self.raw) }
    }
}

// SAFETY, for each call below: what is passed lives for the length of the call; `raw` is open, and borrowed exclusively.
impl Ring {
    /// Adds an entry to a board, or finds it.
    pub fn add_entry(&self, key: &str, capacity: u64) -> Result<()> {
        let key = text(key.as_bytes(), "a key")?;
        check(unsafe { ffi::shr_board_add(self.handle.0, key.as_ptr(), capacity) }).map(|_| ())
    }

    /// Becomes the writer of an entry.
    pub fn board_writer(&self, key: &str) -> Result<BoardWriter> {
        let key = text(key.as_bytes(), "a key")?;
        let mut raw = std::ptr::null_mut();
        check(unsafe { ffi::shr_board_writer_open(self.handle.0, key.as_ptr(), std::ptr::null(), &mut raw) })?;
        Ok(BoardWriter { raw, not_sync: PhantomData })
    }

    /// Opens a board to read: one entry, or all, also those that are added later.
    pub fn board_reader(&self, key: Option<&str>, options: &EndpointOptions) -> Result<BoardReader> {
        let key = key.map(|key| text(key.as_bytes(), "a key")).transpose()?;
        let mut raw = std::ptr::null_mut();
        let key = key.as_ref().map_or(std::ptr::null(), |key| key.as_ptr());
        check(unsafe { ffi::shr_board_reader_open(self.handle.0, key, &options.stored(), &mut raw) })?;
        Ok(BoardReader { raw, canceller: Canceller::new(raw as usize, Side::BoardReader), not_sync: PhantomData })
    }
}

impl BoardWriter {
    /// Sets the entry. Never waits.
    pub fn set(&mut self, bytes: &[u8], tag: u32) -> Result<()> {
        check(unsafe { ffi::shr_board_set(self.raw, bytes.as_ptr().cast(), bytes.len(), tag) }).map(|_| ())
    }
}

impl BoardReader {
    /// The keys that there are by now.
    pub fn keys(&mut self) -> Vec<String> {
        let count = unsafe { ffi::shr_board_count(self.raw) };
        (0..count).filter_map(|index| self.key(index)).collect()
    }

    fn key(&mut self, index: u32) -> Option<String> {
        let mut length = 0;
        let key = unsafe { ffi::shr_board_key(self.raw, index, &mut length) };
        if key.is_null() {
            return None;
        }
        // SAFETY: the library's own copy of the key, as long as it says.
        let bytes = unsafe { std::slice::from_raw_parts(key.cast::<u8>(), length) };
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    /// A copy of an entry's newest value. `None`: it was never set.
    pub fn get(&mut self, key: &str) -> Result<Option<Value>> {
        let key = text(key.as_bytes(), "a key")?;
        let index = check(unsafe { ffi::shr_board_find(self.raw, key.as_ptr()) })? as u32;
        let mut bytes = vec![0; 256];
        let mut stamp = ffi::Stamp::default();
        loop {
            if check(unsafe { ffi::shr_board_get(self.raw, index, bytes.as_mut_ptr().cast(), bytes.len(), &mut stamp) })? == 1 {
                return Ok(None);
            }
            if stamp.count as usize <= bytes.len() {
                bytes.truncate(stamp.count as usize);
                return Ok(Some(Value { bytes, version: stamp.version, tag: stamp.tag, time_ns: stamp.time_ns }));
            }
            bytes.resize(unsafe { ffi::shr_board_capacity(self.raw, index) } as usize, 0);
            // room for every value
        }
    }

    /// Copies of all values, as they stood at one moment.
    pub fn snapshot(&mut self) -> Result<Vec<(String, Option<Value>)>> {
        let keys = self.keys();
        let mut stamps = vec![ffi::Stamp::default(); keys.len()];
        let mut offsets = vec![0_usize; keys.len()];
        let mut bytes = vec![0_u8; 4096];
        let mut needed = 0;
        loop {
            check(unsafe {
                ffi::shr_board_snapshot(self.raw, bytes.as_mut_ptr().cast(), bytes.len(), stamps.as_mut_ptr(), offsets.as_mut_ptr(), &mut needed)
            })?;
            if needed <= bytes.len() {
                break;
            }
            bytes.resize(2 * needed, 0);
        }
        let values = keys.into_iter().zip(stamps.iter().zip(&offsets)).map(|(key, (stamp, offset))| {
            let copy = || bytes[*offset..*offset + stamp.count as usize].to_vec();
            (key, (stamp.version != 0).then(|| Value { bytes: copy(), version: stamp.version, tag: stamp.tag, time_ns: stamp.time_ns }))
        });
        Ok(values.collect())
    }

    /// Waits until an entry was set that this reader has not reported yet. Its key.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<String> {
        let mut index = 0;
        match check(unsafe { ffi::shr_board_wait(self.raw, &mut index, nanoseconds(timeout)) })? {
            0 => Ok(self.key(index).unwrap_or_default()),
            _ => Err(Error::new(Code::TimedOut, "no entry was set")),
        }
    }
    /// Ends this reader's waits from any thread.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// A descriptor for an event loop: readable at first, and whenever an entry was set; see [`arm`](BoardReader::arm). It is the reader's: do not read or close it.
    pub fn descriptor(&mut self) -> Result<RawFd> {
        check(unsafe { ffi::shr_board_reader_descriptor(self.raw) })
    }

    /// To be called when `wait` with a timeout of 0 finds no change: the descriptor stops being readable, and a thread waits. Until it is readable, or `disarm` is
    /// called, `get` and `snapshot` are refused with `AlreadyWaiting`.
    pub fn arm(&mut self) -> Result<()> {
        check(unsafe { ffi::shr_board_reader_arm(self.raw) }).map(|_| ())
    }

    /// Takes the reader back before an entry was set: every call is allowed again, and no change is lost. The descriptor is readable then.
    pub fn disarm(&mut self) -> Result<()> {
        check(unsafe { ffi::shr_board_reader_disarm(self.raw) }).map(|_| ())
    }
}
