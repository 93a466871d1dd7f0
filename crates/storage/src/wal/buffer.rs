//! Memory that is aligned for direct writes, and the end of a segment as it is built up in it.

use super::format::BLOCK_BYTES;

/// Zeroed bytes whose first lies at a multiple of [`BLOCK_BYTES`] in memory.
#[derive(Debug)]
pub(super) struct AlignedBuffer {
    storage: Vec<u8>,
    start: usize,
}

impl AlignedBuffer {
    /// `bytes` zeros, rounded up to whole blocks.
    pub fn zeroed(bytes: usize) -> AlignedBuffer {
        let storage = vec![0u8; bytes.next_multiple_of(BLOCK_BYTES) + BLOCK_BYTES];
        let start = storage.as_ptr().align_offset(BLOCK_BYTES);
        assert!(start < BLOCK_BYTES, "an address is at most a block away from a multiple of it");
        AlignedBuffer { storage, start }
    }

    /// The aligned bytes, whole blocks.
    pub fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.storage.len() - BLOCK_BYTES + self.start]
    }

    /// The aligned bytes, whole blocks.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let end = self.storage.len() - BLOCK_BYTES + self.start;
        &mut self.storage[self.start..end]
    }
}

/// The memory that a buffer keeps when it falls empty after a large batch.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// The last partial block of a segment and what is to be written behind it.
#[derive(Debug)]
pub(super) struct TailBuffer {
    memory: AlignedBuffer,
    /// Where the first byte of the buffer lies in the segment: a multiple of the block size.
    start: usize,
    /// The bytes in use.
    used: usize,
    /// How many of them have been written.
    written: usize,
}

impl TailBuffer {
    /// An empty buffer for what begins at `start` of a segment, a multiple of the block size.
    pub fn new(start: usize) -> TailBuffer {
        assert!(start.is_multiple_of(BLOCK_BYTES), "a buffer begins with a block, not at {start}");
        TailBuffer { memory: AlignedBuffer::zeroed(64 * BLOCK_BYTES), start, used: 0, written: 0 }
    }

    /// Where the next byte that is pushed will lie in the segment.
    pub fn end(&self) -> usize {
        self.start + self.used
    }

    /// The bytes that wait to be written.
    pub fn waiting_bytes(&self) -> usize {
        self.used - self.written
    }

    /// Adds a frame's header and payload, and zeros up to a total of `bytes`.
    pub fn push_frame(&mut self, header: &[u8], payload: &[u8], bytes: usize) {
        self.reserve(bytes);
        let frame = &mut self.memory.bytes_mut()[self.used..self.used + bytes];
        frame[..header.len()].copy_from_slice(header);
        let content = header.len() + payload.len();
        frame[header.len()..content].copy_from_slice(payload);
        frame[content..].fill(0);
        self.used += bytes;
    }

    /// What has to be written and where: whole blocks, zeros behind the end.
    pub fn blocks(&mut self) -> (&[u8], u64) {
        let (used, whole) = (self.used, self.used.next_multiple_of(BLOCK_BYTES));
        self.memory.bytes_mut()[used..whole].fill(0);
        (&self.memory.bytes()[..whole], self.start as u64)
    }

    /// All blocks have been written: forgets the whole ones, keeps the partial one at the end.
    pub fn mark_written(&mut self) {
        let whole = self.used / BLOCK_BYTES * BLOCK_BYTES;
        let rest = self.used - whole;
        if self.memory.bytes().len() > KEPT_BYTES_MAX {
            let mut memory = AlignedBuffer::zeroed(64 * BLOCK_BYTES);
            memory.bytes_mut()[..rest].copy_from_slice(&self.memory.bytes()[whole..self.used]);
            self.memory = memory;
        } else {
            self.memory.bytes_mut().copy_within(whole..whole + rest, 0);
        }
        self.start += whole;
        self.used = rest;
        self.written = rest;
    }

    fn reserve(&mut self, more: usize) {
        let needed = self.used + more;
        if needed > self.memory.bytes().len() {
            let mut memory = AlignedBuffer::zeroed(needed.max(2 * self.memory.bytes().len()));
            memory.bytes_mut()[..self.used].copy_from_slice(&self.memory.bytes()[..self.used]);
            self.memory = memory;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_what_the_blocks_say() {
        let mut buffer = TailBuffer::new(2 * BLOCK_BYTES);
        let mut file = vec![0xAAu8; 4 << 20];
        let mut expected = vec![0xAAu8; 2 * BLOCK_BYTES];
        for round in 0..300usize {
            let payload = vec![round as u8; round * 37 % 9000];
            let bytes = (payload.len() + 16).next_multiple_of(8);
            buffer.push_frame(&[0x55; 16], &payload, bytes);
            expected.extend([0x55; 16]);
            expected.extend(&payload);
            expected.resize(expected.len().next_multiple_of(8), 0);
            if round % 3 == 0 {
                let (blocks, at) = buffer.blocks();
                assert_eq!(blocks.as_ptr().align_offset(BLOCK_BYTES), 0, "direct writes need aligned memory");
                file[at as usize..at as usize + blocks.len()].copy_from_slice(blocks);
                buffer.mark_written();
                assert_eq!(buffer.waiting_bytes(), 0);
                assert_eq!(buffer.end(), expected.len());
                assert!(file[..expected.len()] == expected[..], "the file differs after round {round}");
            }
        }
    }
}
