//! A client's stream of watches: controls in, outputs out.
//!
//! The hub gives at most [`STREAM_OUTPUTS_MAX`] outputs that were not taken, plus an answer a control; the edge takes no
//! requests of a client that does not take its answers. So nothing here grows with a slow client. Outputs go from the apply thread straight to the
//! connection's task, which wakes once for all that come together.

use std::sync::Arc;

use synod_database::Command;
use synod_database::watch::{STREAM_OUTPUTS_MAX, WatchControl, WatchOutput};
use synod_machine::RequestId;
use tokio::sync::mpsc;

use super::clients::Waiter;
use super::core::{ClientCommand, CoreInput};
use super::shared::Shared;
use crate::backend::{WatchControls, WatchStream};

/// Outputs taken before the hub is told.
const TAKEN_STEP: u32 = STREAM_OUTPUTS_MAX / 4;

/// Where the hub's outputs of one stream go.
#[derive(Debug)]
pub struct WatchSink {
    outputs: mpsc::UnboundedSender<WatchOutput>,
}

impl WatchSink {
    /// A sink whose other end is `outputs`.
    pub fn new(outputs: mpsc::UnboundedSender<WatchOutput>) -> Self {
        WatchSink { outputs }
    }

    /// Takes one; after the stream's end it is dropped.
    pub fn put(&self, output: WatchOutput) {
        let _ = self.outputs.send(output);
    }
}

/// Opens a stream.
pub fn open(shared: &Arc<Shared>) -> WatchStream {
    let (sink, outputs) = mpsc::unbounded_channel();
    let stream = shared.next_stream();
    shared.clients.wait([(stream, Waiter::Watches(Arc::new(WatchSink::new(sink))))]);
    WatchStream { controls: Box::new(Controls { shared: Arc::clone(shared), stream, taken: 0 }), outputs }
}

/// Where one stream's controls go.
struct Controls {
    shared: Arc<Shared>,
    stream: RequestId,
    /// Outputs taken that the hub was not told of.
    taken: u32,
}

impl Controls {
    fn command(&self, command: Command) -> bool {
        self.shared.give([CoreInput::Client(ClientCommand { command, waiter: None })])
    }
}

impl WatchControls for Controls {
    fn ask(&mut self, control: WatchControl) -> bool {
        self.command(Command::Watch { stream: self.stream, control })
    }

    fn taken(&mut self) {
        self.taken += 1;
        if self.taken >= TAKEN_STEP {
            let outputs = std::mem::take(&mut self.taken);
            self.command(Command::WatchTaken { stream: self.stream, outputs });
        }
    }
}

impl Drop for Controls {
    fn drop(&mut self) {
        self.command(Command::WatchClosed { stream: self.stream });
        self.shared.clients.forget(self.stream);
    }
}

/// Ids of streams count down from the top, those of requests up from 1: they never meet.
pub fn stream_id(number: u64) -> RequestId {
    RequestId(u64::MAX - number)
}
