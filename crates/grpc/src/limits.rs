//! What a peer may cost, each bound with its name.

/// Bounds on a peer.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Streams that the peer may have open at once.
    pub streams_max: u32,
    /// Header list of a request or answer, by HPACK's count.
    pub header_list_bytes_max: u32,
    /// Bytes that the peer may send on one stream before they are taken.
    pub stream_window_bytes: u32,
    /// Bytes that the peer may send on the connection before they are taken.
    pub connection_window_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            streams_max: 4_096,
            header_list_bytes_max: 16 * 1024,
            stream_window_bytes: 1024 * 1024,
            connection_window_bytes: 4 * 1024 * 1024,
        }
    }
}

/// Bytes of a header block that comes in several frames.
pub const BLOCK_BYTES_MAX: usize = 64 * 1024;
/// Frames of a header block.
pub const CONTINUATIONS_MAX: u32 = 32;
/// Streams that a peer may open and reset at once, before they had a turn, beyond those that were answered.
pub const RAPID_RESETS_MAX: u32 = 128;
/// Frames that ask for nothing (PING, SETTINGS, PRIORITY, empty DATA, resets of nothing) between two that do, or two looks of the
/// clock.
pub const IDLE_FRAMES_MAX: u32 = 10_000;
/// Bytes that wait to be written above which nothing more is read, answered or sent.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024;
