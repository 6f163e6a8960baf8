//! Events in, documents out: what a run learned, as text, XML, JSON Lines and grepable lines.
//!
//! One trait ([`Format`]), one file per format. Formats know the values of `model` and nothing else: no file is opened
//! here, no clock read, no terminal asked, nothing about sockets or the script engine. Writers and options come from
//! the caller.
//!
//! Every string in an event may have been chosen by a hostile peer; `escape` holds what each document lets through.

mod escape;
mod fold;
mod grepable;
mod jsonl;
mod open_only;
mod outline;
mod read;
mod verdict;
mod wording;
mod xml;

mod text;

use std::fmt;
use std::io::{self, Write};

pub use escape::terminal_lines;
pub use fold::fold;
pub use grepable::Grepable;
pub use jsonl::{JsonLines, SCHEMA_VERSION, host_json, stages_json};
pub use open_only::OpenOnly;
pub use read::{read_host, read_line, read_stages};
pub use text::{Text, TextOptions};
pub use wording::ranges;
pub use xml::Xml;

use crate::error::Error;
use crate::model::Event;

/// One way of writing a run down.
///
/// The events of a run come in order: `Start` first, `End` last. A format keeps only what it needs to close its
/// document.
pub trait Format {
    /// Writes what `event` adds to the document. Errors are those of `out`.
    fn event(&mut self, event: &Event, out: &mut dyn Write) -> io::Result<()>;

    /// From now on as with so many `-v` and `-d`; formats that show everything have nothing to change.
    fn set_verbosity(&mut self, _verbose: u8, _debug: u8) {}

    /// Completes the document where no `End` came and none will. Writes nothing when the document is complete, or was
    /// never begun; formats whose lines stand alone have nothing to complete.
    fn abort(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Why a report could not be written.
#[derive(Debug)]
pub enum ReportError {
    /// The reader has gone (`sonde … | head`): nothing is wrong, and nobody reads on. Names the writer.
    BrokenPipe(String),
    /// Writing failed: each writer by name, with its cause.
    Write(String),
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReportError::BrokenPipe(name) => write!(f, "write {name}: the reader closed it"),
            ReportError::Write(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ReportError {}

impl From<ReportError> for Error {
    fn from(error: ReportError) -> Error {
        Error::File(error.to_string())
    }
}

/// One document being written.
struct Sink {
    name: String,
    format: Box<dyn Format>,
    out: Box<dyn Write>,
}

/// The documents of a run, all fed with the same events.
#[derive(Default)]
pub struct Reports {
    sinks: Vec<Sink>,
}

impl Reports {
    /// No document.
    pub fn new() -> Reports {
        Reports::default()
    }

    /// Adds a document; `name` stands for `out` in errors: a path, or `standard output`.
    pub fn add(&mut self, name: impl Into<String>, format: Box<dyn Format>, out: Box<dyn Write>) {
        self.sinks.push(Sink { name: name.into(), format, out });
    }

    /// Whether no document is left to write to.
    pub fn is_empty(&self) -> bool {
        self.sinks.is_empty()
    }

    /// Hands `event` to every document and flushes it, so nothing told is lost later.
    ///
    /// A document that fails is dropped and reported once; the others have been written all the same and go on.
    pub fn event(&mut self, event: &Event) -> Result<(), ReportError> {
        self.write_all(|format, bytes| format.event(event, bytes))
    }

    /// From now on as with so many `-v` and `-d`.
    pub fn set_verbosity(&mut self, verbose: u8, debug: u8) {
        self.sinks.iter_mut().for_each(|sink| sink.format.set_verbosity(verbose, debug));
    }

    /// Completes every document that saw no `End`: for a run that must stop at once.
    pub fn abort(&mut self) -> Result<(), ReportError> {
        self.write_all(|format, bytes| format.abort(bytes))
    }

    fn write_all(
        &mut self,
        mut render: impl FnMut(&mut dyn Format, &mut Vec<u8>) -> io::Result<()>,
    ) -> Result<(), ReportError> {
        let mut gone = None;
        let mut failed = Vec::new();
        self.sinks.retain_mut(|sink| {
            // Rendered first, then written at once: a reader of a growing file sees whole events.
            let mut bytes = Vec::new();
            let written = render(sink.format.as_mut(), &mut bytes)
                .and_then(|()| if bytes.is_empty() { Ok(()) } else { sink.out.write_all(&bytes) })
                .and_then(|()| sink.out.flush());
            match written {
                Ok(()) => return true,
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => gone = Some(sink.name.clone()),
                Err(error) => failed.push(format!("write {}: {error}", sink.name)),
            }
            false
        });
        match (failed.is_empty(), gone) {
            (true, None) => Ok(()),
            (true, Some(name)) => Err(ReportError::BrokenPipe(name)),
            (false, _) => Err(ReportError::Write(failed.join("; "))),
        }
    }
}

#[cfg(test)]
mod tests;
