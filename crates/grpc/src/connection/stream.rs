//! One stream of a connection.

use std::collections::VecDeque;

use bytes::Bytes;

/// A stream that is open, for one side at least.
#[derive(Debug)]
pub struct Stream {
    /// Bytes that we may send. Below nothing when the peer has made its windows smaller meanwhile.
    pub send_window: i64,
    /// Bytes that the peer may send.
    pub receive_window: i64,
    /// Bytes that were taken, and which the peer was not told of.
    pub released: u32,
    /// What waits for room in a window or in the output.
    pub queue: VecDeque<Bytes>,
    /// Bytes of that.
    pub queued_bytes: usize,
    /// What ends our side once the queue is empty.
    pub ending: Option<Ending>,
    /// Our head was sent.
    pub has_head: bool,
    /// Our side has ended.
    pub has_ended: bool,
    /// The peer's head has come.
    pub peer_has_head: bool,
    /// The peer's side has ended.
    pub peer_has_ended: bool,
    /// It stands in the row of those that wait to send.
    pub is_waiting: bool,
    /// The read that brought it.
    pub opened_in: u64,
}

/// How a side of a stream ends.
#[derive(Debug)]
pub enum Ending {
    /// With the last byte of data.
    Plain,
    /// With gRPC's code and text, already encoded.
    Status(u32, Vec<u8>),
}

impl Stream {
    /// A new one, with the windows that both sides begin with.
    pub fn new(send_window: i64, receive_window: i64, opened_in: u64) -> Self {
        Stream {
            send_window,
            receive_window,
            released: 0,
            queue: VecDeque::new(),
            queued_bytes: 0,
            ending: None,
            has_head: false,
            has_ended: false,
            peer_has_head: false,
            peer_has_ended: false,
            is_waiting: false,
            opened_in,
        }
    }

    /// Whether it is to be put into the row of those that wait to send; then it counts as being there.
    pub fn wants_turn(&mut self) -> bool {
        let has_more = !self.queue.is_empty() && self.send_window > 0;
        has_more && !std::mem::replace(&mut self.is_waiting, true)
    }

    /// Adds what is to be sent.
    pub fn queue(&mut self, data: Bytes) {
        if !data.is_empty() {
            self.queued_bytes += data.len();
            self.queue.push_back(data);
        }
    }
}
