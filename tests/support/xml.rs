//! Reports in XML.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Fails unless `text` is one complete, well-formed document; returns the names of its elements in the order they begin.
#[track_caller]
pub fn assert_well_formed(text: &str) -> Vec<String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    reader.config_mut().allow_unmatched_ends = false;
    let (mut names, mut depth, mut roots) = (Vec::new(), 0_i32, 0);
    loop {
        let event = reader.read_event().unwrap_or_else(|error| panic!("{error} in {text}"));
        let (name, opened) = match &event {
            Event::Start(element) => (Some(element.name()), 1),
            Event::Empty(element) => (Some(element.name()), 0),
            Event::End(_) => (None, -1),
            Event::Eof => break,
            _ => (None, 0),
        };
        if let Event::Start(element) | Event::Empty(element) = &event {
            for attribute in element.attributes() {
                let attribute = attribute.unwrap_or_else(|error| panic!("{error} in {text}"));
                quick_xml::escape::unescape(&attribute.value).unwrap_or_else(|error| panic!("{error} in {text}"));
            }
            roots += i32::from(depth == 0);
        }
        names.extend(name.map(|name| name.as_ref().to_owned()));
        depth += opened;
    }
    assert_eq!((depth, roots), (0, 1), "elements left open, roots: {text}");
    names
}
