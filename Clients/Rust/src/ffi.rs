//! The C client's declarations; `sharedring.h` documents them. A test compares the sizes.

use std::os::raw::{c_char, c_int, c_void};

macro_rules! opaque {
    ($($name:ident),*) => { $(#[repr(C)] pub struct $name { _private: [u8; 0] })* };
}
opaque!(Ring, Producer, Consumer, BoardWriter, BoardReader, Client, Server);

#[repr(C)]
pub struct Options {
    pub directory: *const c_char,
    pub label: *const c_char,
    pub capacity: u64,
    pub lanes: u32,
    pub subscribers: u32,
    pub entries: u32,
    pub clients: u32,
    pub servers: u32,
    pub request_capacity: u32,
    pub reply_capacity: u32,
    pub record_alignment: u32,
    pub permissions: u32,
    pub total_order: c_int,
    pub keeps_time: c_int,
    pub barrier: c_int,
    pub owners: c_int,
    pub durable: c_int,
    pub accepts_unflushed: c_int,
    pub persistent: c_int,
    pub must_match: c_int,
    pub first_position: u64,
}

#[repr(C)]
pub struct Endpoint {
    pub waiting: c_int,
    pub manual: c_int,
    pub check_interval_ns: i64,
    pub budget: u32,
    pub prefault: c_int,
    pub read_only: c_int,
    pub ends: c_int,
    pub ends_since_made: c_int,
    pub lossy: c_int,
    pub from: i64,
    pub polling_ns: i64,
    pub interrupted: Option<extern "C" fn(*mut c_void) -> c_int>,
    pub context: *mut c_void,
}

#[repr(C)]
pub struct Batch {
    pub producer: *mut Producer,
    pub start: *mut u8,
    pub place: *mut u8,
    pub first: u64,
    pub count: i64,
    pub bytes: i64,
}

#[repr(C)]
pub struct Msg {
    pub bytes: *const c_void,
    pub count: usize,
    pub tag: u32,
    pub lane: u32,
}

#[repr(C)]
pub struct Facts {
    pub kind: c_int,
    pub lanes: u32,
    pub subscribers: u32,
    pub entries: u32,
    pub record_alignment: u32,
    pub total_order: c_int,
    pub asymmetric: c_int,
    pub durable: c_int,
    pub keeps_time: c_int,
    pub clients: u32,
    pub servers: u32,
    pub request_capacity: u32,
    pub reply_capacity: u32,
    pub capacity: u64,
    pub largest_message: u64,
    pub total_size: u64,
    pub created_ns: i64,
    pub label: [c_char; 64],
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Stamp {
    pub version: u64,
    pub tag: u32,
    pub count: u32,
    pub time_ns: i64,
}

#[repr(C)]
pub struct Ends {
    pub closed: u64,
    pub died: u64,
}

#[repr(C)]
pub struct End {
    pub lane: u32,
    pub died: c_int,
    pub pid: u32,
    pub name: [c_char; 64],
}

pub const TOKEN_TEXT: usize = 64;

#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Token {
    pub instance: [u8; 16],
    pub slot: u32,
    pub number: u32,
}

#[repr(C)]
pub struct Reply {
    pub bytes: *const c_void,
    pub count: usize,
    pub outcome: c_int,
    pub has_token: c_int,
    pub token: Token,
}

impl Default for Reply {
    fn default() -> Self {
        Reply { bytes: std::ptr::null(), count: 0, outcome: 0, has_token: 0, token: Token::default() }
    }
}

#[repr(C)]
pub struct Request {
    pub bytes: *const c_void,
    pub count: usize,
    pub is_retry: c_int,
    pub token: Token,
    pub slot: u32,
    pub number: u32,
}

impl Default for Request {
    fn default() -> Self {
        Request { bytes: std::ptr::null(), count: 0, is_retry: 0, token: Token::default(), slot: 0, number: 0 }
    }
}

extern "C" {
    pub fn shr_message() -> *const c_char;
    pub fn shr_errno() -> c_int;

    pub fn shr_open(name: *const c_char, kind: c_int, options: *const Options, ring: *mut *mut Ring) -> c_int;
    pub fn shr_create(name: *const c_char, kind: c_int, options: *const Options, ring: *mut *mut Ring) -> c_int;
    pub fn shr_open_or_create(name: *const c_char, kind: c_int, options: *const Options, ring: *mut *mut Ring) -> c_int;
    pub fn shr_create_anonymous(kind: c_int, options: *const Options, ring: *mut *mut Ring) -> c_int;
    pub fn shr_open_descriptor(descriptor: c_int, kind: c_int, options: *const Options, ring: *mut *mut Ring) -> c_int;
    pub fn shr_ring_descriptor(ring: *const Ring, inheritable: c_int) -> c_int;
    pub fn shr_ring_close(ring: *mut Ring);
    pub fn shr_ring_facts(ring: *const Ring, facts: *mut Facts);
    pub fn shr_remove(name: *const c_char, options: *const Options) -> c_int;
    pub fn shr_flush(name: *const c_char, options: *const Options) -> c_int;

    pub fn shr_producer_open(ring: *mut Ring, endpoint: *const Endpoint, producer: *mut *mut Producer) -> c_int;
    pub fn shr_producer_close(producer: *mut Producer) -> c_int;
    pub fn shr_producer_drop(producer: *mut Producer);
    pub fn shr_rs_send(producer: *mut Producer, bytes: *const c_void, count: usize, tag: u32, timeout_ns: i64) -> c_int;
    pub fn shr_rs_claim(producer: *mut Producer, count: usize, place: *mut *mut c_void, timeout_ns: i64) -> c_int;
    pub fn shr_rs_commit(producer: *mut Producer, count: usize, tag: u32) -> c_int;
    pub fn shr_rs_batch_begin(producer: *mut Producer, batch: *mut Batch);
    pub fn shr_batch_try_append(batch: *mut Batch, bytes: *const c_void, count: usize, tag: u32) -> c_int;
    pub fn shr_batch_append(batch: *mut Batch, bytes: *const c_void, count: usize, tag: u32, timeout_ns: i64) -> c_int;
    pub fn shr_batch_commit(batch: *mut Batch) -> c_int;
    pub fn shr_wait_acknowledged(producer: *mut Producer, timeout_ns: i64) -> c_int;
    pub fn shr_wait_consumers(producer: *mut Producer, count: u32, timeout_ns: i64) -> c_int;
    pub fn shr_has_consumer(producer: *mut Producer) -> c_int;
    pub fn shr_free_bytes(producer: *mut Producer) -> u64;
    pub fn shr_producer_cancel(producer: *mut Producer, cancelled: c_int);

    pub fn shr_consumer_open(ring: *mut Ring, endpoint: *const Endpoint, consumer: *mut *mut Consumer) -> c_int;
    pub fn shr_consumer_close(consumer: *mut Consumer) -> c_int;
    pub fn shr_consumer_drop(consumer: *mut Consumer);
    pub fn shr_rs_receive(consumer: *mut Consumer, message: *mut Msg, timeout_ns: i64) -> c_int;
    pub fn shr_rs_copy(to: *mut c_void, from: *const c_void, count: usize);
    pub fn shr_release(consumer: *mut Consumer);
    pub fn shr_put_back(consumer: *mut Consumer);
    pub fn shr_acknowledge(consumer: *mut Consumer) -> c_int;
    pub fn shr_ends(consumer: *const Consumer, ends: *mut Ends);
    pub fn shr_next_end(consumer: *mut Consumer, end: *mut End) -> c_int;
    pub fn shr_missed(consumer: *const Consumer, messages: *mut u64, bytes: *mut u64);
    pub fn shr_wait_producer(consumer: *mut Consumer, timeout_ns: i64) -> c_int;
    pub fn shr_has_producer(consumer: *mut Consumer) -> c_int;
    pub fn shr_remove_if_unused(consumer: *mut Consumer) -> c_int;
    pub fn shr_consumer_cancel(consumer: *mut Consumer, cancelled: c_int);
    pub fn shr_consumer_descriptor(consumer: *mut Consumer) -> c_int;
    pub fn shr_consumer_arm(consumer: *mut Consumer) -> c_int;
    pub fn shr_consumer_disarm(consumer: *mut Consumer) -> c_int;

    pub fn shr_board_size(capacity: u64, keeps_time: c_int) -> u64;
    pub fn shr_board_add(board: *mut Ring, key: *const c_char, capacity: u64) -> c_int;
    pub fn shr_board_writer_open(board: *mut Ring, key: *const c_char, endpoint: *const Endpoint, writer: *mut *mut BoardWriter) -> c_int;
    pub fn shr_board_writer_close(writer: *mut BoardWriter);
    pub fn shr_board_set(writer: *mut BoardWriter, bytes: *const c_void, count: usize, tag: u32) -> c_int;
    pub fn shr_board_reader_open(board: *mut Ring, key: *const c_char, endpoint: *const Endpoint, reader: *mut *mut BoardReader) -> c_int;
    pub fn shr_board_reader_close(reader: *mut BoardReader);
    pub fn shr_board_count(reader: *mut BoardReader) -> u32;
    pub fn shr_board_key(reader: *mut BoardReader, index: u32, length: *mut usize) -> *const c_char;
    pub fn shr_board_capacity(reader: *mut BoardReader, index: u32) -> u64;
    pub fn shr_board_find(reader: *mut BoardReader, key: *const c_char) -> c_int;
    pub fn shr_board_get(reader: *mut BoardReader, index: u32, bytes: *mut c_void, room: usize, stamp: *mut Stamp) -> c_int;
    pub fn shr_board_snapshot(reader: *mut BoardReader, bytes: *mut c_void, room: usize, stamps: *mut Stamp, offsets: *mut usize, needed: *mut usize) -> c_int;
    pub fn shr_board_wait(reader: *mut BoardReader, index: *mut u32, timeout_ns: i64) -> c_int;
    pub fn shr_board_reader_cancel(reader: *mut BoardReader, cancelled: c_int);
    pub fn shr_board_reader_descriptor(reader: *mut BoardReader) -> c_int;
    pub fn shr_board_reader_arm(reader: *mut BoardReader) -> c_int;
    pub fn shr_board_reader_disarm(reader: *mut BoardReader) -> c_int;

    pub fn shr_token_text(token: *const Token, text: *mut c_char);
    pub fn shr_token_parse(text: *const c_char, token: *mut Token) -> c_int;
    pub fn shr_outcome_name(outcome: c_int) -> *const c_char;
    pub fn shr_client_open(service: *mut Ring, endpoint: *const Endpoint, client: *mut *mut Client) -> c_int;
    pub fn shr_client_close(client: *mut Client);
    pub fn shr_call(client: *mut Client, bytes: *const c_void, count: usize, retrying: *const Token, reply: *mut Reply, timeout_ns: i64) -> c_int;
    pub fn shr_call_begin(client: *mut Client, count: usize, place: *mut *mut c_void, timeout_ns: i64) -> c_int;
    pub fn shr_call_post(client: *mut Client, count: usize, retrying: *const Token) -> c_int;
    pub fn shr_call_poll(client: *mut Client, reply: *mut Reply) -> c_int;
    pub fn shr_call_wait(client: *mut Client, reply: *mut Reply, timeout_ns: i64) -> c_int;
    pub fn shr_call_give_up(client: *mut Client, reply: *mut Reply) -> c_int;
    pub fn shr_client_cancel(client: *mut Client, cancelled: c_int);
    pub fn shr_client_descriptor(client: *mut Client) -> c_int;
    pub fn shr_client_arm(client: *mut Client) -> c_int;
    pub fn shr_client_disarm(client: *mut Client) -> c_int;
    pub fn shr_server_open(service: *mut Ring, endpoint: *const Endpoint, server: *mut *mut Server) -> c_int;
    pub fn shr_server_close(server: *mut Server);
    pub fn shr_server_number(server: *const Server) -> u32;
    pub fn shr_server_next(server: *mut Server, request: *mut Request, timeout_ns: i64) -> c_int;
    pub fn shr_answer(server: *mut Server, request: *const Request, bytes: *const c_void, count: usize) -> c_int;
    pub fn shr_refuse(server: *mut Server, request: *const Request, bytes: *const c_void, count: usize) -> c_int;
    pub fn shr_drop(server: *mut Server, request: *const Request) -> c_int;
    pub fn shr_is_given_up(server: *mut Server, request: *const Request) -> c_int;
    pub fn shr_server_cancel(server: *mut Server, cancelled: c_int);
    pub fn shr_server_descriptor(server: *mut Server) -> c_int;
    pub fn shr_server_arm(server: *mut Server) -> c_int;
    pub fn shr_server_disarm(server: *mut Server) -> c_int;

    #[cfg(test)]
    pub fn shr_rs_size(which: c_int) -> usize;
}
