//! A departure from the recording on its way through Rhai: an error that cannot be caught, as what a script does from there
//! on means nothing.
//!
//! Rhai gives such an error the position of the call, level by level outwards, so it carries its own.

use std::rc::Rc;

use rhai::{Dynamic, EvalAltResult, ImmutableString, Position};

/// What differs, and where the script did it.
#[derive(Debug, Clone)]
pub struct Departure {
    text: Rc<str>,
    /// File, none for the script's own, and position of the innermost call of a native.
    place: Option<(Option<ImmutableString>, Position)>,
}

impl Departure {
    /// The error; `text` shows both sides.
    pub fn error(text: &str) -> Box<EvalAltResult> {
        let departure = Departure { text: text.into(), place: None };
        Box::new(EvalAltResult::ErrorTerminated(Dynamic::from(departure), Position::NONE))
    }

    /// The departure that `error` is.
    pub fn of(error: &EvalAltResult) -> Option<Departure> {
        match error.unwrap_inner() {
            EvalAltResult::ErrorTerminated(token, _) => token.clone().try_cast::<Departure>(),
            _ => None,
        }
    }

    /// Notes where the native that failed with `error` was called, if that is a departure and no native further in did it.
    pub fn locate(error: &mut EvalAltResult, file: Option<ImmutableString>, position: Position) {
        let EvalAltResult::ErrorTerminated(token, _) = error else { return };
        if let Some(mut departure) = token.write_lock::<Departure>() {
            departure.place.get_or_insert((file, position));
        }
    }

    /// What differs.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file, none for the script's own, and the position.
    pub fn place(&self) -> Option<(Option<&str>, Position)> {
        self.place.as_ref().map(|(file, position)| (file.as_deref(), *position))
    }
}
