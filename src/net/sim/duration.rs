//! Durations as scenarios write them: `20ms`, `1.5s`, `300us`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// A duration read from text with a unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span(pub Duration);

/// Longest that makes sense; also keeps the arithmetic far from overflow.
const LONGEST: f64 = 1e6;

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map(Span).ok_or_else(|| {
            de::Error::custom(format!("`{}` is no duration; write 20ms, 1.5s or 300us", text.escape_debug()))
        })
    }
}

fn parse(text: &str) -> Option<Duration> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    let (number, scale) = units.into_iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))?;
    let seconds = number.parse::<f64>().ok()? * scale;
    (0.0..=LONGEST).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

#[test]
fn durations_have_units() {
    assert_eq!(parse("20ms"), Some(Duration::from_millis(20)));
    assert_eq!(parse("1.5s"), Some(Duration::from_millis(1500)));
    assert_eq!(parse("300us"), Some(Duration::from_micros(300)));
    for bad in ["", "s", "20", "-1s", "nans", "infs", "1e9s", "1h", "1 s"] {
        assert_eq!(parse(bad), None, "{bad}");
    }
}
