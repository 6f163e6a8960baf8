//! What a recording says of the run as a whole: one JSON document in the comments of the file's section header.
//!
//! Comments are at most 65,535 bytes, so a longer document is cut into several, to be joined in order.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::model::Timestamp;

/// The version of the format this program writes, and the newest it reads. Version 1 told the interface of each way anew.
pub const FORMAT: u64 = 2;
/// The key the document is recognised by; its value is the version of the format.
const FORMAT_KEY: &str = "sonde-recording";
/// Longest piece of the document, in bytes.
const PIECE: usize = 60_000;

/// Everything of a run that no packet shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// Version of the program that recorded.
    pub sonde: String,
    /// The command line, without the program's name.
    pub arguments: Vec<String>,
    /// Seed of every random choice.
    pub seed: u64,
    /// When the run began.
    pub started: Timestamp,
    /// Text of each file the run read, by its name: target lists, script arguments, `/etc/resolv.conf`, `/etc/hosts`.
    pub files: BTreeMap<String, String>,
    /// Number of each interface the run asked for, by its name.
    pub interfaces: BTreeMap<String, u32>,
}

impl Header {
    /// The comments that carry it.
    pub fn to_comments(&self) -> Vec<String> {
        let document = json!({
            FORMAT_KEY: FORMAT,
            "sonde": self.sonde,
            "arguments": self.arguments,
            "seed": self.seed,
            "started": self.started.0,
            "files": self.files,
            "interfaces": self.interfaces,
        });
        let text = document.to_string();
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let end = rest.floor_char_boundary(PIECE);
            let (piece, left) = rest.split_at(end);
            pieces.push(piece.to_owned());
            rest = left;
        }
        pieces
    }

    /// Reads it back; none when the comments are somebody else's.
    ///
    /// # Errors
    /// What is wrong with the document, in words.
    pub fn from_comments(comments: &[String]) -> Result<Option<Header>, String> {
        let text = comments.concat();
        if !text.starts_with(&format!("{{\"{FORMAT_KEY}\":")) {
            return Ok(None);
        }
        let document: Value = serde_json::from_str(&text).map_err(|error| format!("its header is broken: {error}"))?;
        let fields = document.as_object().ok_or("its header is no JSON object")?;
        let version = number(fields, FORMAT_KEY)?;
        if version > FORMAT {
            let by = fields.get("sonde").and_then(Value::as_str).unwrap_or("a newer sonde");
            return Err(format!(
                "it is written in format {version} (by sonde {by}); this sonde reads up to format {FORMAT}: use a newer one"
            ));
        }
        Ok(Some(Header {
            sonde: text_of(fields.get("sonde").unwrap_or(&Value::Null), "sonde")?,
            arguments: arguments(fields)?,
            seed: number(fields, "seed")?,
            started: Timestamp(number(fields, "started")?),
            files: entries(fields, "files", text_of)?,
            interfaces: entries(fields, "interfaces", |value, name| {
                value.as_u64().and_then(|number| u32::try_from(number).ok()).ok_or_else(|| wrong(name))
            })?,
        }))
    }
}

fn wrong(name: &str) -> String {
    format!("its header has no proper `{name}`")
}

fn number(fields: &Map<String, Value>, name: &str) -> Result<u64, String> {
    fields.get(name).and_then(Value::as_u64).ok_or_else(|| wrong(name))
}

fn text_of(value: &Value, name: &str) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| wrong(name))
}

fn arguments(fields: &Map<String, Value>) -> Result<Vec<String>, String> {
    let list = fields.get("arguments").and_then(Value::as_array).ok_or_else(|| wrong("arguments"))?;
    list.iter().map(|word| text_of(word, "arguments")).collect()
}

fn entries<T>(
    fields: &Map<String, Value>,
    name: &str,
    read: impl Fn(&Value, &str) -> Result<T, String>,
) -> Result<BTreeMap<String, T>, String> {
    let map = fields.get(name).and_then(Value::as_object).ok_or_else(|| wrong(name))?;
    map.iter().map(|(key, value)| Ok((key.clone(), read(value, name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            sonde: "0.1.0".to_owned(),
            arguments: vec!["-p".to_owned(), "80".to_owned(), "ä \"b\"".to_owned()],
            seed: u64::MAX,
            started: Timestamp(1_700_000_000_000_000_001),
            files: BTreeMap::from([("/etc/hosts".to_owned(), "ü".repeat(100_000))]),
            interfaces: BTreeMap::from([("lo".to_owned(), 1)]),
        }
    }

    #[test]
    fn a_long_header_is_cut_and_joined() {
        let comments = header().to_comments();
        assert!(comments.len() > 1 && comments.iter().all(|piece| piece.len() <= PIECE));
        assert_eq!(Header::from_comments(&comments), Ok(Some(header())));
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let newer = r#"{"sonde-recording":3,"sonde":"9.1.0","what":"ever"}"#.to_owned();
        let error = Header::from_comments(&[newer]).expect_err("it is newer");
        assert!(error.contains("format 3 (by sonde 9.1.0)") && error.contains("up to format 2"), "{error}");
    }

    #[test]
    fn foreign_and_broken_comments() {
        assert_eq!(Header::from_comments(&["made by hand".to_owned()]), Ok(None));
        assert_eq!(Header::from_comments(&[]), Ok(None));
        for text in [r#"{"sonde-recording":1"#, r#"{"sonde-recording":1}"#, r#"{"sonde-recording":"x"}"#] {
            assert!(Header::from_comments(&[text.to_owned()]).is_err(), "{text}");
        }
    }
}
