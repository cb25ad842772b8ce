//! Reads the messages of a decoder and its feeder, each frame with its samples.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use anyhow::Result;
use cht_core::process::clock;

use super::{
    frame::Reader,
    message::{End, Message, Sent},
    pipes::Outputs,
};

/// Largest number of frames queued for their reader, while their samples wait in the pipes.
pub(crate) const MAX_QUEUED: usize = 4096;

/// Receives the messages of a decoder.
#[derive(Debug)]
pub(crate) struct Frames {
    sent: Receiver<Sent>,
    /// Pipes that samples come through; none if frames are sent with their samples.
    outputs: Option<Outputs>,
    reader: Reader,
}

/// Holds the next message, or the reason why there is none.
#[derive(Debug)]
pub(crate) enum Next {
    Message(Message),
    /// No message came within the time allowed.
    Timeout,
    End(End),
}

impl Frames {
    pub(crate) fn new(sent: Receiver<Sent>, outputs: Option<Outputs>, reader: Reader) -> Self {
        Self { sent, outputs, reader }
    }

    /// Waits for the next message, no longer than `timeout`.
    pub(crate) fn next(&mut self, timeout: Duration) -> Result<Next> {
        loop {
            match clock::receive_within(&self.sent, timeout) {
                Ok(Sent::Message(message)) => return Ok(Next::Message(message)),
                Ok(Sent::Decoded(decoded)) => {
                    let Some(outputs) = &self.outputs else { continue };
                    return match self.reader.read(decoded, outputs) {
                        Ok(frame) => Ok(Next::Message(Message::Frame(Box::new(frame)))),
                        Err(error) => End::of(error).map(Next::End),
                    };
                }
                Ok(Sent::Over(end)) => return Ok(Next::End(end)),
                Err(RecvTimeoutError::Disconnected) => return Ok(Next::End(End::Complete)),
                Err(RecvTimeoutError::Timeout) => return Ok(Next::Timeout),
            }
        }
    }

    /// Returns the messages that were sent and not read, up to the end of the feeder.
    pub(crate) fn into_remaining(self) -> impl Iterator<Item = Message> {
        self.sent.into_iter().filter_map(|sent| match sent {
            Sent::Message(message) => Some(message),
            Sent::Decoded(_) | Sent::Over(_) => None,
        })
    }
}
