//! The XML shape that nmap's consumers read (version 1.05 of that format), streamed and always closed.
//!
//! No document type and no stylesheet is named: neither is ours to ship. What the format has no place for (how an
//! instance ended short, what it used) stands in a `table` with the key `sonde` inside its `script`, which readers
//! take for script output.

mod host;
mod script;

use std::io::{self, Write};
use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event as Markup};
use quick_xml::name::QName;

use super::{Format, escape, wording};
use crate::model::{Ending, Event, HostState, RunEnd, RunStart, ScanInfo, ScriptResult, Timestamp};

/// The XML report.
#[derive(Debug, Default)]
pub struct Xml {
    /// Between `Start` and `End`: the root element is open.
    is_open: bool,
    /// When the run began.
    began: Timestamp,
    /// The latest time any event told: the end of a run that is cut off.
    latest: Timestamp,
    up: u64,
    down: u64,
    unknown: u64,
}

impl Format for Xml {
    fn event(&mut self, event: &Event, out: &mut dyn Write) -> io::Result<()> {
        let mut page = Page::new(out);
        match event {
            Event::Start(start) => self.start(start, &mut page),
            Event::TargetSkipped { spec, .. } => {
                page.empty("target", &[("specification", spec), ("status", "skipped"), ("reason", "invalid")])
            }
            Event::Prescan(results) => run_scripts("prescript", results, &mut page),
            Event::Host(host) => {
                self.latest = self.latest.max(host.ended);
                match host.state {
                    HostState::Up => self.up += 1,
                    HostState::Down => self.down += 1,
                    HostState::Unknown => self.unknown += 1,
                }
                host::write(host, &mut page)
            }
            Event::Postscan(results) => run_scripts("postscript", results, &mut page),
            Event::End(end) => self.end(end, &mut page),
        }
    }

    fn abort(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let elapsed = self.latest.since(self.began);
        let finish = Finish { at: self.latest, elapsed, summary: "stopped before the end", error: Some("aborted") };
        self.close(&finish, [self.up, self.down, self.unknown], &mut Page::new(out))
    }
}

/// What the last element says.
struct Finish<'a> {
    at: Timestamp,
    elapsed: Duration,
    summary: &'a str,
    error: Option<&'a str>,
}

impl Xml {
    /// An XML report.
    pub fn new() -> Xml {
        Xml::default()
    }

    fn start(&mut self, start: &RunStart, page: &mut Page) -> io::Result<()> {
        self.is_open = true;
        self.began = start.at;
        self.latest = start.at;
        page.declaration()?;
        page.open(
            "nmaprun",
            &[
                // The only value consumers accept.
                ("scanner", "nmap"),
                ("args", &start.args),
                ("start", &start.at.seconds().to_string()),
                ("startstr", &wording::ctime(start.at)),
                ("version", start.version),
                ("xmloutputversion", "1.05"),
            ],
        )?;
        page.line_end()?;
        for scan in &start.scans {
            scan_info(scan, page)?;
        }
        page.empty("verbose", &[("level", &start.verbose.to_string())])?;
        page.empty("debugging", &[("level", &start.debug.to_string())])
    }

    fn end(&mut self, end: &RunEnd, page: &mut Page) -> io::Result<()> {
        let verb = if end.ending == Ending::Interrupted { "interrupted" } else { "done" };
        let summary = format!("sonde {verb} at {}; {}", wording::ctime(end.at), wording::scanned(end));
        let error = (end.ending == Ending::Interrupted).then_some("interrupted");
        let finish = Finish { at: end.at, elapsed: end.elapsed, summary: &summary, error };
        self.close(&finish, [end.totals.up, end.totals.down, end.totals.unknown], page)
    }

    /// Closes the root; nothing where it is not open. Hosts nobody asked are in the total alone.
    fn close(&mut self, finish: &Finish, [up, down, unknown]: [u64; 3], page: &mut Page) -> io::Result<()> {
        if !std::mem::take(&mut self.is_open) {
            return Ok(());
        }
        page.open("runstats", &[])?;
        let (time, timestr) = (finish.at.seconds().to_string(), wording::ctime(finish.at));
        let elapsed = format!("{:.2}", finish.elapsed.as_secs_f64());
        let exit = if finish.error.is_some() { "error" } else { "success" };
        let mut attributes = vec![
            ("time", time.as_str()),
            ("timestr", &timestr),
            ("summary", finish.summary),
            ("elapsed", &elapsed),
            ("exit", exit),
        ];
        attributes.extend(finish.error.map(|error| ("errormsg", error)));
        page.empty("finished", &attributes)?;
        let total = up.saturating_add(down).saturating_add(unknown).to_string();
        page.empty("hosts", &[("up", &up.to_string()), ("down", &down.to_string()), ("total", &total)])?;
        page.close("runstats")?;
        page.close("nmaprun")
    }
}

fn scan_info(scan: &ScanInfo, page: &mut Page) -> io::Result<()> {
    page.empty(
        "scaninfo",
        &[
            ("type", scan.kind),
            ("protocol", scan.protocol.name()),
            ("numservices", &scan.ports.len().to_string()),
            ("services", &wording::ranges(&scan.ports)),
        ],
    )
}

/// Results that belong to no host. The element needs at least one.
fn run_scripts(element: &str, results: &[ScriptResult], page: &mut Page) -> io::Result<()> {
    script::write_all(element, results.iter(), page)
}

/// Writes elements, each on a line of its own. Attributes and text are escaped here and nowhere else.
struct Page<'a> {
    writer: Writer<&'a mut dyn Write>,
}

impl<'a> Page<'a> {
    fn new(out: &'a mut dyn Write) -> Page<'a> {
        Page { writer: Writer::new(out) }
    }

    fn declaration(&mut self) -> io::Result<()> {
        self.writer.write_event(Markup::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        self.line_end()
    }

    fn line_end(&mut self) -> io::Result<()> {
        self.writer.write_event(Markup::Text(BytesText::from_escaped("\n")))
    }

    fn tag<'n>(name: &'n str, attributes: &[(&'n str, &str)]) -> BytesStart<'n> {
        let mut tag = BytesStart::new(name);
        for (key, value) in attributes {
            tag.push_attribute(Attribute { key: QName(key), value: escape::xml_attribute(value).into() });
        }
        tag
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
        self.writer.write_event(Markup::Start(Page::tag(name, attributes)))
    }

    fn close(&mut self, name: &str) -> io::Result<()> {
        self.writer.write_event(Markup::End(BytesEnd::new(name)))?;
        self.line_end()
    }

    fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
        self.writer.write_event(Markup::Empty(Page::tag(name, attributes)))?;
        self.line_end()
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_event(Markup::Text(BytesText::from_escaped(escape::xml_text(text))))
    }
}
