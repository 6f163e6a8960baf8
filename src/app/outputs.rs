//! Report files and stdout.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::rc::Rc;

use super::{complain, terminal};
use crate::cli::{Color, Destination, Format, ReportSettings};
use crate::error::Error;
use crate::model::Event;
use crate::report::{self, Grepable, JsonLines, OpenOnly, ReportError, Reports, Text, TextOptions, Xml};

/// Opens every report. All are opened before anything is scanned: a path that cannot be written is found out first.
pub fn open(settings: &ReportSettings) -> Result<Reports, Error> {
    let mut reports = Reports::new();
    for (format, destination) in &settings.outputs {
        let (name, writer, terminal): (String, Box<dyn Write>, bool) = match destination {
            Destination::Stdout => {
                let stdout = io::stdout();
                let terminal = stdout.is_terminal();
                ("stdout".to_owned(), Box::new(BufWriter::with_capacity(64 << 10, stdout)), terminal)
            }
            Destination::File(path) => {
                let name = path.display().to_string();
                let file = File::create(path).map_err(|error| Error::File(format!("create {name}: {error}")))?;
                (name, Box::new(BufWriter::new(file)), false)
            }
        };
        reports.add(name, formatter(*format, settings, terminal), writer);
    }
    Ok(reports)
}

/// Creates the file of a recording.
pub fn recording(path: &Path) -> Result<Box<dyn Write>, Error> {
    let file = File::create(path).map_err(|error| Error::File(format!("create {}: {error}", path.display())))?;
    Ok(Box::new(file))
}

/// Takes the place of what is in the file at `path`.
pub fn rewrite(path: &Path, content: &[u8]) -> Result<(), Error> {
    std::fs::write(path, content).map_err(|error| Error::File(format!("write {}: {error}", path.display())))
}

/// A document kept in memory; clones share it.
#[derive(Clone, Default)]
pub struct Memory(Rc<RefCell<Vec<u8>>>);

impl Memory {
    /// What was written, as text; reports are UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()).into_owned()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Text and JSON Lines of a run in memory, as its `settings` want them, without what names program and time of day.
pub fn in_memory(settings: &ReportSettings) -> (Reports, Memory, Memory) {
    let (text, lines) = (Memory::default(), Memory::default());
    let mut reports = Reports::new();
    let options = TextOptions { with_header: false, color: false, ..text_options(settings) };
    reports.add("text", Box::new(Text::new(options)), Box::new(text.clone()));
    reports.add("lines", Box::new(JsonLines::new()), Box::new(lines.clone()));
    (reports, text, lines)
}

fn text_options(settings: &ReportSettings) -> TextOptions {
    TextOptions {
        open_only: settings.open_only,
        reason: settings.reason,
        verbose: settings.verbose,
        debug: settings.debug,
        color: false,
        with_header: true,
    }
}

fn formatter(format: Format, settings: &ReportSettings, terminal: bool) -> Box<dyn report::Format> {
    let color = match settings.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    let whole: Box<dyn report::Format> = match format {
        Format::Normal => return Box::new(Text::new(TextOptions { color, ..text_options(settings) })),
        Format::Xml => Box::new(Xml::new()),
        Format::Grepable => Box::new(Grepable::new()),
        Format::Json => Box::new(JsonLines::new()),
    };
    if settings.open_only { Box::new(OpenOnly(whole)) } else { whole }
}

/// Whether the terminal is one that cannot redraw a line.
pub fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|value| value == "dumb")
}

/// Where events go; clones share it.
#[derive(Clone)]
pub struct Sink(Rc<RefCell<Inner>>);

struct Inner {
    reports: Reports,
    failed: bool,
}

impl Sink {
    /// A sink into `reports`.
    pub fn new(reports: Reports) -> Sink {
        Sink(Rc::new(RefCell::new(Inner { reports, failed: false })))
    }

    /// Reports one event. A report that cannot be written any more is named once; the others go on.
    pub fn emit(&self, event: &Event) {
        terminal::erase(); // stdout may be the same terminal
        let mut inner = self.0.borrow_mut();
        match inner.reports.event(event) {
            Ok(()) => {}
            Err(ReportError::BrokenPipe(_)) => inner.failed = true, // the reader wanted no more
            Err(error @ ReportError::Write(_)) => {
                inner.failed = true;
                complain(&error.to_string());
            }
        }
    }

    /// From now on as with so many `-v` and `-d`.
    pub fn set_verbosity(&self, verbose: u8, debug: u8) {
        self.0.borrow_mut().reports.set_verbosity(verbose, debug);
    }

    /// Whether no report is left to write to: then there is no use in going on.
    pub fn is_dead(&self) -> bool {
        self.0.borrow().reports.is_empty()
    }

    /// Whether some report is incomplete.
    pub fn has_failed(&self) -> bool {
        self.0.borrow().failed
    }
}
