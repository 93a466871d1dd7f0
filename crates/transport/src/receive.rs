//! Reads the frames of an admitted connection and delivers them; answers pings.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::timeout;

use crate::batch::Batch;
use crate::frame::{Decoder, FrameError, Kind};
use crate::peer::{Admitted, Deliver, Peer};
use crate::{Limits, Timeouts};

/// Why a connection is no longer read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("closed by the peer")]
    Closed,
    #[error("closed by the peer inside a frame")]
    ClosedInsideFrame,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("no byte for {0:?}")]
    Silent(Duration),
    #[error("no byte inside a frame for {0:?}")]
    Stalled(Duration),
    #[error("a newer connection took its place, or the peer was removed")]
    Replaced,
}

/// Reads until the connection ends or another one takes its place.
pub(crate) async fn receive<S>(
    stream: &mut S,
    peer: &Peer,
    admitted: Admitted,
    deliver: &Deliver,
    limits: &Limits,
    timeouts: &Timeouts,
) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut current = peer.admitted.subscribe();
    let replaced = current.wait_for(|current| *current != admitted);
    let ended = tokio::select! {
        biased;
        _ = replaced => Ended::Replaced,
        ended = read_frames(stream, peer, admitted, deliver, limits, timeouts) => ended,
    };
    match ended {
        Ended::Frame(_) => peer.counters.bad_frames.add(1),
        Ended::Silent(_) | Ended::Stalled(_) => peer.counters.stalls.add(1),
        Ended::Closed | Ended::ClosedInsideFrame | Ended::Io(_) | Ended::Replaced => {}
    }
    ended
}

async fn read_frames<S>(
    stream: &mut S,
    peer: &Peer,
    admitted: Admitted,
    deliver: &Deliver,
    limits: &Limits,
    timeouts: &Timeouts,
) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut decoder = Decoder::new(limits.frame_bytes_max);
    let mut frames = Vec::new();
    let mut answers = Batch::default();
    loop {
        peer.window.open().await;
        match read_some(stream, &mut decoder, timeouts).await {
            Ok(0) if decoder.inside_frame() => return Ended::ClosedInsideFrame,
            Ok(0) => return Ended::Closed,
            Ok(_) => {}
            Err(ended) => return ended,
        }
        // What came whole before a bad frame is good and is delivered.
        let decoded = decode_frames(&mut decoder, &mut frames);
        if !frames.is_empty() && !peer.deliver_frames(admitted, &mut frames, deliver) {
            return Ended::Replaced;
        }
        match decoded {
            Ok(None) => continue,
            Ok(Some(ping)) => answers.push(Kind::Pong, &[ping]),
            Err(error) => return error.into(),
        }
        if let Err(error) = answers.write(stream, timeouts.write_stall).await {
            return error.into();
        }
    }
}

/// One read, in bounded time; 0 at the end of the stream.
pub(crate) async fn read_some<R>(
    stream: &mut R,
    decoder: &mut Decoder,
    timeouts: &Timeouts,
) -> Result<usize, Ended>
where
    R: AsyncRead + Unpin,
{
    let inside_frame = decoder.inside_frame();
    let patience = if inside_frame { timeouts.frame_stall } else { timeouts.silence };
    match timeout(patience, stream.read_buf(decoder.room())).await {
        Ok(read) => Ok(read?),
        Err(_) if inside_frame => Err(Ended::Stalled(patience)),
        Err(_) => Err(Ended::Silent(patience)),
    }
}

/// Takes all whole frames; gives the last ping, if any. One answer a read, so that a flood of pings costs its
/// sender more.
fn decode_frames(decoder: &mut Decoder, frames: &mut Vec<Bytes>) -> Result<Option<Bytes>, FrameError> {
    let mut ping = None;
    while let Some(frame) = decoder.next()? {
        match frame.kind {
            Kind::Data => frames.push(frame.payload),
            Kind::Ping => ping = Some(frame.payload),
            // Nobody asked. It is well-formed and changes nothing.
            Kind::Pong => {}
        }
    }
    Ok(ping)
}
