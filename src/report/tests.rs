//! Golden files of every format (`testdata/report/<case>.<format>`; `SONDE_ACCEPT=1` rewrites them), and what must
//! hold of any report.

mod fixtures;
mod schema;

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use quick_xml::Reader;
use quick_xml::events::Event as Markup;

use super::*;
use crate::model::Host;
use fixtures::{Case, cases};

/// What a format makes of events.
fn render(mut format: impl Format, events: &[Event]) -> String {
    let mut out = Vec::new();
    for event in events {
        format.event(event, &mut out).unwrap();
    }
    String::from_utf8(out).unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares with the golden file, or rewrites it.
fn check_golden(case: &Case, extension: &str, actual: &str) {
    let path = root().join("testdata/report").join(format!("{}.{extension}", case.name));
    if std::env::var_os("SONDE_ACCEPT").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        actual == expected,
        "{} differs; if the new output is right, run with SONDE_ACCEPT=1\n--- expected\n{expected}\n--- actual\n{actual}",
        path.display()
    );
}

#[test]
fn text_is_as_recorded() {
    for case in cases() {
        check_golden(&case, "txt", &render(Text::new(case.options), &case.events));
    }
}

#[test]
fn xml_is_as_recorded() {
    for case in cases().into_iter().filter(|case| !case.text_only) {
        check_golden(&case, "xml", &render(Xml::new(), &case.events));
    }
}

#[test]
fn json_lines_are_as_recorded() {
    for case in cases().into_iter().filter(|case| !case.text_only) {
        check_golden(&case, "jsonl", &render(JsonLines::new(), &case.events));
    }
}

#[test]
fn grepable_lines_are_as_recorded() {
    for case in cases().into_iter().filter(|case| !case.text_only) {
        check_golden(&case, "gnmap", &render(Grepable::new(), &case.events));
    }
}

#[test]
fn only_what_may_be_open_is_left_in_any_format() {
    let cases = cases();
    let plain = cases.iter().find(|case| case.name == "plain").unwrap();
    let narrow = |format: Box<dyn Format>| render(OpenOnly(format), &plain.events);
    let lines = narrow(Box::new(JsonLines::new()));
    let hosts: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let hosts: Vec<_> = hosts.iter().filter(|line| line["type"] == "host").collect();
    assert_eq!(hosts.len(), 1, "{lines}");
    let states: Vec<_> = hosts[0]["ports"].as_array().unwrap().iter().map(|port| &port["state"]).collect();
    assert!(states.iter().all(|state| **state == "open"), "{states:?}");
    let count = |host: &serde_json::Value| -> u64 {
        let folded: u64 = host["folded"].as_array().unwrap().iter().map(|fold| fold["count"].as_u64().unwrap()).sum();
        folded + host["ports"].as_array().unwrap().len() as u64
    };
    let whole = render(JsonLines::new(), &plain.events);
    let whole = whole.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let whole = whole.into_iter().find(|line| line["address"] == hosts[0]["address"]).unwrap();
    assert_eq!(count(hosts[0]), count(&whole), "what is not listed stays counted");
    let of = |host: &serde_json::Value, number| {
        let ports = host["ports"].as_array().unwrap();
        ports.iter().find(|port| port["port"] == number).unwrap()["scripts"].clone()
    };
    assert_eq!(of(hosts[0], 443), of(&whole, 443), "results stay with their ports");
    assert_eq!(narrow(Box::new(Xml::new())).matches("<host ").count(), 1);
    assert_eq!(narrow(Box::new(Grepable::new())).matches("Status: ").count(), 1);
}

#[test]
fn no_document_holds_what_a_terminal_acts_on() {
    let is_hazard =
        |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{2066}';
    for case in cases().iter().filter(|case| !case.options.color) {
        let documents = [
            render(Text::new(case.options), &case.events),
            render(Xml::new(), &case.events),
            render(JsonLines::new(), &case.events),
        ];
        for document in documents {
            assert_eq!(document.chars().find(|c| is_hazard(*c)), None, "{}: {document}", case.name);
        }
        // Grepable fields are separated by tabs.
        assert!(!render(Grepable::new(), &case.events).contains(|c| is_hazard(c) && c != '\t'));
    }
}

#[test]
fn grepable_lines_keep_their_shape_under_hostile_names() {
    let case = cases().into_iter().find(|case| case.name == "hostile").unwrap();
    let document = render(Grepable::new(), &case.events);
    let ports =
        document.lines().find_map(|line| line.split('\t').find_map(|field| field.strip_prefix("Ports: "))).unwrap();
    assert_eq!(ports.matches('/').count(), 3 * 7);
    assert!(document.lines().all(|line| line.starts_with("# ") || line.starts_with("Host: 10.0.0.66 (name")));
}

/// Reads a whole document and says how many elements it has; fails unless every element is closed.
fn count_elements(document: &str) -> usize {
    let mut reader = Reader::from_str(document);
    reader.config_mut().check_end_names = true;
    let (mut depth, mut count) = (0_i32, 0);
    loop {
        match reader.read_event().unwrap() {
            Markup::Start(_) => (depth, count) = (depth + 1, count + 1),
            Markup::End(_) => depth -= 1,
            Markup::Empty(_) => count += 1,
            Markup::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0, "{document}");
    count
}

#[test]
fn xml_cut_off_anywhere_is_closed_once() {
    for case in cases() {
        for told in 1..=case.events.len() {
            let mut format = Xml::new();
            let mut out = Vec::new();
            for event in &case.events[..told] {
                format.event(event, &mut out).unwrap();
            }
            format.abort(&mut out).unwrap();
            let length = out.len();
            format.abort(&mut out).unwrap();
            assert_eq!(out.len(), length);
            let document = String::from_utf8(out).unwrap();
            assert!(count_elements(&document) >= 6);
            assert_eq!(document.matches("<runstats>").count(), 1);
            assert!(document.ends_with("</nmaprun>\n"));
        }
    }
}

#[test]
fn nothing_is_aborted_before_it_began() {
    let formats: [Box<dyn Format>; 4] =
        [Box::new(Text::default()), Box::new(Xml::new()), Box::new(JsonLines::new()), Box::new(Grepable::new())];
    for mut format in formats {
        let mut out = Vec::new();
        format.abort(&mut out).unwrap();
        assert!(out.is_empty());
    }
}

#[test]
fn every_json_line_follows_the_published_schema() {
    let schema = fs::read_to_string(root().join("docs/report.schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    for case in cases() {
        for line in render(JsonLines::new(), &case.events).lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            let faults = schema::faults(&schema, &schema, &value, "");
            assert!(faults.is_empty(), "{}: {faults:#?}", case.name);
        }
    }
}

#[test]
fn the_schema_check_finds_faults() {
    let schema = fs::read_to_string(root().join("docs/report.schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let good = render(JsonLines::new(), &cases()[0].events);
    let good: serde_json::Value = serde_json::from_str(good.lines().nth(3).unwrap()).unwrap();
    let spoil: [fn(&mut serde_json::Value); 5] = [
        |line| line["type"] = "hosts".into(),
        |line| line["version"] = 2.into(),
        |line| line["ports"][0]["state"] = "ajar".into(),
        |line| line["ports"][0]["port"] = "22".into(),
        |line| line["surprise"] = 1.into(),
    ];
    assert_eq!(schema::faults(&schema, &schema, &good, ""), Vec::<String>::new());
    for change in spoil {
        let mut line = good.clone();
        change(&mut line);
        assert!(!schema::faults(&schema, &schema, &line, "").is_empty(), "{line}");
    }
}

/// A writer that can be told to fail, and shows what it got.
#[derive(Clone, Default)]
struct Probe {
    written: Rc<RefCell<Vec<u8>>>,
    flushed: Rc<RefCell<usize>>,
    failure: Option<io::ErrorKind>,
}

impl Write for Probe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(kind) = self.failure {
            return Err(kind.into());
        }
        self.written.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        *self.flushed.borrow_mut() = self.written.borrow().len();
        Ok(())
    }
}

#[test]
fn every_event_is_flushed() {
    let probe = Probe::default();
    let mut reports = Reports::new();
    reports.add("standard output", Box::new(JsonLines::new()), Box::new(probe.clone()));
    for (told, event) in cases()[0].events.iter().enumerate() {
        reports.event(event).unwrap();
        assert_eq!(probe.written.borrow().split(|byte| *byte == b'\n').count(), told + 2);
        assert_eq!(*probe.flushed.borrow(), probe.written.borrow().len());
    }
}

#[test]
fn a_closed_pipe_is_told_apart_and_ends_only_its_own_report() {
    let (file, pipe) = (Probe::default(), Probe { failure: Some(io::ErrorKind::BrokenPipe), ..Probe::default() });
    let mut reports = Reports::new();
    reports.add("standard output", Box::new(Text::default()), Box::new(pipe));
    reports.add("scan.xml", Box::new(Xml::new()), Box::new(file.clone()));
    let events = &cases()[0].events;
    reports.event(&events[0]).unwrap();
    let error = reports.event(&events[1]).unwrap_err();
    assert!(matches!(&error, ReportError::BrokenPipe(name) if name == "standard output"), "{error}");
    for event in &events[2..] {
        reports.event(event).unwrap();
    }
    assert!(!reports.is_empty());
    assert_eq!(file.written.borrow().as_slice(), render(Xml::new(), events).as_bytes());
}

#[test]
fn a_full_disk_names_its_file_and_outranks_a_closed_pipe() {
    let failing = |kind| Box::new(Probe { failure: Some(kind), ..Probe::default() });
    let mut reports = Reports::new();
    reports.add("standard output", Box::new(JsonLines::new()), failing(io::ErrorKind::BrokenPipe));
    reports.add("scan.jsonl", Box::new(JsonLines::new()), failing(io::ErrorKind::StorageFull));
    let error = reports.event(&cases()[0].events[0]).unwrap_err();
    assert!(matches!(&error, ReportError::Write(text) if text.starts_with("write scan.jsonl: ")), "{error}");
    assert!(reports.is_empty());
    reports.abort().unwrap();
}

#[test]
fn json_lines_read_back_give_the_same_lines() {
    for case in cases() {
        let written = render(JsonLines::new(), &case.events);
        let events: Vec<Event> = written.lines().map(|line| read_line(line).unwrap()).collect();
        assert_eq!(render(JsonLines::new(), &events), written, "{}", case.name);
    }
}

#[test]
fn hosts_read_back_know_what_packets_told() {
    let case = cases().into_iter().find(|case| case.name == "packets").unwrap();
    let hosts = |events: &[Event]| -> Vec<Host> {
        events
            .iter()
            .filter_map(|event| if let Event::Host(host) = event { Some((**host).clone()) } else { None })
            .collect()
    };
    let told = hosts(&case.events);
    let written = render(JsonLines::new(), &case.events);
    let read = hosts(&written.lines().map(|line| read_line(line).unwrap()).collect::<Vec<_>>());
    assert_eq!(read.len(), 3);
    for (told, read) in told.iter().zip(&read) {
        assert_eq!((read.reason, read.reason_ttl, read.mac), (told.reason, told.reason_ttl, told.mac));
        assert_eq!((&read.trace, read.degraded), (&told.trace, told.degraded));
        assert_eq!((&read.ports, &read.folded), (&told.ports, &told.folded));
        assert_eq!(read.reason_ips, told.reason_ips);
    }
}

#[test]
fn reports_from_before_packet_scans_can_be_read() {
    let case = cases().into_iter().find(|case| case.name == "plain").unwrap();
    let written = render(JsonLines::new(), &case.events);
    for line in written.lines() {
        let mut old: serde_json::Value = serde_json::from_str(line).unwrap();
        for field in ["reason_ttl", "mac", "degraded", "trace"] {
            old.as_object_mut().unwrap().remove(field);
        }
        if let Some(totals) = old.get_mut("totals") {
            totals.as_object_mut().unwrap().remove("degraded");
        }
        for folded in old.get_mut("folded").and_then(|list| list.as_array_mut()).into_iter().flatten() {
            folded.as_object_mut().unwrap().remove("protocol");
        }
        let event = read_line(&old.to_string()).unwrap();
        assert_eq!(render(JsonLines::new(), &[event]).trim_end(), line);
    }
}

#[test]
fn every_reason_of_the_schema_can_be_read() {
    let schema = fs::read_to_string(root().join("docs/report.schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let reasons = schema["$defs"]["reason"]["enum"].as_array().unwrap();
    for reason in reasons {
        assert!(crate::model::Reason::parse(reason.as_str().unwrap()).is_some(), "{reason}");
    }
    assert_eq!(reasons.len(), crate::model::Reason::ALL.len());
}

#[test]
fn lines_that_are_no_report_say_what_is_wrong() {
    for (line, expected) in [
        ("", "no line of JSON"),
        ("[]", "type is missing"),
        (r#"{"type":"host","version":9}"#, "version 9 of the report"),
        (r#"{"type":"surprise","version":1}"#, "`surprise` is not known"),
        (r#"{"type":"host","version":1,"address":"nowhere"}"#, "no address"),
        (r#"{"type":"target_skipped","version":1,"target":"a"}"#, "reason is missing"),
    ] {
        let error = read_line(line).unwrap_err();
        assert!(error.contains(expected), "{line}: {error}");
    }
}
