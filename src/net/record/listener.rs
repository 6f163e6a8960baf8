//! Listeners: a note where they listen, and the connections they accept.

use std::net::SocketAddr;

use super::label::Label;
use super::{Recorder, note, stream};
use crate::net::{Listener, LocalNetFuture, Origin, Stream};

/// A listener whose connections are written down.
pub(super) struct RecordedListener {
    inner: Box<dyn Listener>,
    recorder: Recorder,
    number: u64,
    origin: Origin,
}

impl RecordedListener {
    pub fn new(inner: Box<dyn Listener>, recorder: Recorder, origin: Origin) -> RecordedListener {
        let number = recorder.next_conversation();
        let label = Label {
            conversation: Some(number),
            origin: Some(origin.clone()),
            listen: Some(inner.local().port()),
            ..Label::default()
        };
        note(&recorder, inner.local().ip(), &label);
        RecordedListener { inner, recorder, number, origin }
    }
}

impl Listener for RecordedListener {
    fn accept(&self) -> LocalNetFuture<'_, Box<dyn Stream>> {
        Box::pin(async {
            let stream = self.inner.accept().await?;
            let recorded = stream::accepted(stream, self.recorder.clone(), self.number, self.origin.clone());
            Ok(Box::new(recorded) as Box<dyn Stream>)
        })
    }

    fn local(&self) -> SocketAddr {
        self.inner.local()
    }
}
