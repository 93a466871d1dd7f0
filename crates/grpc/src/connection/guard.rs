//! A count of what a peer costs without asking for anything.
//!
//! Most bounds are on what is held. These two are on work: frames that ask for nothing and must be answered all the same, and streams that are
//! opened and reset before they had a turn, so that no bound on open streams is ever met. Both allowances come back with real work; the first also with
//! time, since a quiet client may ask for a sign of life for days.

use super::Failure;
use crate::frame::Code;
use crate::limits::{IDLE_FRAMES_MAX, RAPID_RESETS_MAX};

/// What was seen of late.
#[derive(Debug, Default)]
pub struct Guard {
    idle_frames: u32,
    rapid_resets: u32,
}

impl Guard {
    /// A frame that asks for nothing.
    pub fn idle(&mut self) -> Result<(), Failure> {
        self.idle_frames += 1;
        if self.idle_frames > IDLE_FRAMES_MAX {
            return Err(Failure {
                code: Code::ENHANCE_YOUR_CALM,
                reason: "too many frames that ask for nothing",
            });
        }
        Ok(())
    }

    /// A stream that ended before it had a turn.
    pub fn rapid_reset(&mut self) -> Result<(), Failure> {
        self.rapid_resets += 1;
        if self.rapid_resets > RAPID_RESETS_MAX {
            return Err(Failure {
                code: Code::ENHANCE_YOUR_CALM,
                reason: "streams are reset as fast as opened",
            });
        }
        Ok(())
    }

    /// Something was asked, or sent.
    pub fn worked(&mut self) {
        self.idle_frames = 0;
    }

    /// A stream was served.
    pub fn served(&mut self) {
        self.rapid_resets = self.rapid_resets.saturating_sub(1);
    }
}
