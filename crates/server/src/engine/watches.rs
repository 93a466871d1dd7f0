//! A client's stream of watches: controls in, outputs out, both bounded.
//!
//! The hub gives at most [`STREAM_OUTPUTS_MAX`] outputs that were not taken, plus an answer a control; the pump lets
//! controls through one by one while the edge takes outputs. So nothing here grows with a slow client.

use std::sync::Arc;

use synod_database::Command;
use synod_database::watch::{STREAM_OUTPUTS_MAX, WatchControl, WatchOutput};
use synod_machine::RequestId;
use tokio::sync::mpsc;

use super::clients::Waiter;
use super::core::{ClientCommand, CoreInput};
use super::shared::Shared;
use crate::backend::{WATCH_CONTROLS_MAX, WATCH_OUTPUTS_MAX, WatchStream};

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

/// Opens a stream and starts its pump.
pub fn open(shared: &Arc<Shared>) -> WatchStream {
    let (control, controls) = mpsc::channel(WATCH_CONTROLS_MAX);
    let (outputs, output) = mpsc::channel(WATCH_OUTPUTS_MAX);
    shared.runtime.spawn(pump(Arc::clone(shared), controls, outputs));
    WatchStream { control, output }
}

async fn pump(
    shared: Arc<Shared>,
    mut controls: mpsc::Receiver<WatchControl>,
    outputs: mpsc::Sender<WatchOutput>,
) {
    let (hub, mut from_hub) = mpsc::unbounded_channel();
    let stream = shared.next_stream();
    shared.clients.wait([(stream, Waiter::Watches(Arc::new(WatchSink::new(hub))))]);
    let mut taken = 0;
    loop {
        tokio::select! {
            biased;
            output = from_hub.recv() => {
                let Some(output) = output else { break };
                let event = matches!(output, WatchOutput::Events { .. });
                // While the client does not read, this waits, and so do its controls.
                if outputs.send(output).await.is_err() {
                    break;
                }
                taken += u32::from(event);
                if taken >= TAKEN_STEP {
                    ask(&shared, Command::WatchTaken { stream, outputs: taken });
                    taken = 0;
                }
            }
            control = controls.recv() => {
                let Some(control) = control else { break };
                ask(&shared, Command::Watch { stream, control });
            }
            () = outputs.closed() => break,
        }
    }
    ask(&shared, Command::WatchClosed { stream });
    shared.clients.forget(stream);
}

fn ask(shared: &Shared, command: Command) {
    shared.give([CoreInput::Client(ClientCommand { command, waiter: None })]);
}

/// Ids of streams count down from the top, those of requests up from 1: they never meet.
pub fn stream_id(number: u64) -> RequestId {
    RequestId(u64::MAX - number)
}
