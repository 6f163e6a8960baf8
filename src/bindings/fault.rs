//! The one shape of an error a script can catch.

use std::fmt::Display;

use rhai::{Dynamic, EvalAltResult, Map, Position};

use crate::model::{NetError, NetErrorKind};
use crate::script::departure::Departure;

/// What natives return.
pub type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// `kind` of an error about bytes a peer sent: they are not what the format demands.
pub const PROTOCOL: &str = "protocol";
/// `kind` of an error about what the script itself passed: a bad format, pattern, name or length.
pub const ARGUMENT: &str = "argument";
/// `kind` of an error about a budget that is used up.
const BUDGET: &str = "budget";
/// `kind` of an error about size: the work asked for is larger than a native does in one piece.
pub const LIMIT: &str = "limit";

/// An exception `#{kind, op, peer, message}` with an empty `peer`: what went wrong, in which native, and why.
pub fn script_error(kind: &str, op: &str, message: impl Display) -> Box<EvalAltResult> {
    script_error_with(kind, op, "", message)
}

/// An exception `#{kind, op, peer, message}` about an operation on `peer`.
pub fn script_error_with(kind: &str, op: &str, peer: &str, message: impl Display) -> Box<EvalAltResult> {
    exception(&[("kind", kind), ("op", op), ("peer", peer), ("message", &message.to_string())])
}

fn exception(fields: &[(&str, &str)]) -> Box<EvalAltResult> {
    let map: Map = fields.iter().map(|(key, text)| ((*key).into(), Dynamic::from((*text).to_owned()))).collect();
    Box::new(EvalAltResult::ErrorRuntime(Dynamic::from_map(map), Position::NONE))
}

/// An exception `#{kind: "budget", budget, op, peer, message}`: which budget is used up.
pub fn budget_error(budget: &str, op: &str, peer: &str, message: impl Display) -> Box<EvalAltResult> {
    let fields = [("kind", BUDGET), ("budget", budget), ("op", op), ("peer", peer), ("message", &message.to_string())];
    exception(&fields)
}

/// The exception of a failed network operation, with the kinds of [`NetErrorKind`]. One that departs from a recording
/// cannot be caught.
pub fn net_error(error: &NetError) -> Box<EvalAltResult> {
    match error.kind {
        NetErrorKind::Replay => Departure::error(&error.to_string()),
        NetErrorKind::Budget(spent) => budget_error(spent.name(), error.op, &error.peer, error),
        kind => script_error_with(kind.name(), error.op, &error.peer, error),
    }
}

#[cfg(test)]
mod tests {
    use rhai::Engine;

    #[test]
    fn a_script_catches_the_fields() {
        let mut engine = Engine::new();
        engine.register_fn("fail", || -> super::Fallible<()> {
            Err(super::script_error(super::PROTOCOL, "json::parse", "empty"))
        });
        let text: String = engine
            .eval(r#"let t = ""; try { fail() } catch (e) { t = `${e.kind}|${e.op}|${e.peer}|${e.message}` } t"#)
            .expect("the exception is caught");
        assert_eq!(text, "protocol|json::parse||empty");
    }
}
